"""One run that shares out what it computes over threads."""

from contextlib import contextmanager

import cloudpickle
import pytest

from common import sharing
from common.errors import InputError
from common.shards import Workers
from common.sharing import map_threads, share_out
from tests.agents.dcl.shared_out import all_labels
from tests.common.test_shards import square


def test_threads_return_what_one_does_in_order():
    wanted = map_threads(square, 10, range(5))
    with share_out(Workers(3)):
        assert map_threads(square, 10, range(5)) == wanted == [10, 11, 14, 19, 26]


def test_a_failure_in_a_thread_is_its_own_and_what_was_set_is_put_back():
    def refuse(shared, shard, report):
        raise InputError(f"shard {shard}: is no good")

    with pytest.raises(InputError, match="shard 0: is no good"), share_out(Workers(2)):
        map_threads(refuse, None, [0, 1])


@contextmanager
def as_on_a_cluster(monkeypatch):
    """Let what shards share arrive as it does at a worker of a cluster, without one."""

    def travelled(work, shared, shards, place, *, progress):
        assert place.cluster == "nowhere"
        kept = cloudpickle.loads(cloudpickle.dumps(shared))
        return [work(kept, shard, lambda _share: None) for shard in shards]

    monkeypatch.setattr(sharing, "map_shards", travelled)
    token = sharing._place.set(Workers(cluster="nowhere"))
    yield
    sharing._place.reset(token)


def test_labels_do_not_depend_on_who_makes_them(monkeypatch):
    wanted = all_labels()
    with share_out(Workers(2)):
        assert all_labels() == wanted
    with as_on_a_cluster(monkeypatch):
        assert all_labels() == wanted
