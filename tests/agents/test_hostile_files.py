"""Model files and statistics that are damaged, or that claim what they do not hold."""

import io
import pickle
import resource
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch

from agents import run_files, run_folder
from agents.config import resolve
from agents.run_files import STATISTICS
from agents.weights import check_tensors, read_tensors
from common.errors import InputError
from common.files import open_archive, parse_array, read_arrays
from tests.agents.bombs import with_member
from training.learners.load import load_agent
from training.trainer import train

SMALL = ("timesteps=40", "n_envs=4", "max_steps=5", "n_steps=5", "batch_size=20", "net_arch=[4]")
MORE = ("evaluation.every=40", "evaluation.episodes=2", "demand_std=0")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    running = ("observation.normalize=running",)
    return train(resolve({"algo": "ppo"}, assignments=(*SMALL, *MORE, *running)), folder).folder


@pytest.fixture(autouse=True)
def model(run):
    """The model's bytes; whatever a test does to the file is undone."""
    content = (run / "model.zip").read_bytes()
    yield content
    (run / "model.zip").unlink()
    run_files.write(run / "model.zip", content)


def refusal(run, content):
    """Return why a model is refused that the manifest has: whoever alters one can do sums."""
    run_files.write(run / "model.zip", content)
    with pytest.raises(InputError) as refused:
        load_agent(run, "model.zip")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def zipped(*members, **options):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


def saved(content):
    made = io.BytesIO()
    torch.save(content, made)
    return made.getvalue()


def weights(model, change):
    """Return the model with its weights changed."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        state = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    return with_member(model, "policy.pth", saved(change(state)))


def test_cut_at_any_length(run, model):
    for length in [*range(0, len(model) - 22, len(model) // 40), len(model) - 1]:
        assert refusal(run, model[:length]).startswith(f"{run}/model.zip: ")


def test_a_flipped_byte_is_noticed_or_harmless(run, model):
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(model), 60):
        spoilt = bytearray(model)
        spoilt[place] ^= 1 << int(rng.integers(8))
        run_files.write(run / "model.zip", bytes(spoilt))
        with suppress(InputError):
            load_agent(run, "model.zip")


@pytest.mark.parametrize("name", ["../x.pth", "/etc/x", "a/../../x", "..\\x", "C:x"])
def test_names_that_lead_out(run, model, name):
    assert "is not a plain name" in refusal(run, with_member(model, name, b"x"))


def test_a_name_twice(run, model):
    added = io.BytesIO(model)
    with zipfile.ZipFile(added, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("policy.pth", b"x")
    assert "names 'policy.pth' twice" in refusal(run, added.getvalue())


def test_compression_is_refused(run):
    bomb = zipped(("policy.pth", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert "is compressed" in refusal(run, bomb)


def test_claims_beyond_the_limit(run, model):
    place = model.rindex(b"PK\x01\x02")  # the last entry of the directory: its two sizes
    claims = model[: place + 20] + b"\xfe\xff\xff\xff" * 2 + model[place + 28 :]
    assert "claims" in refusal(run, claims)


def test_more_than_the_model_takes(run, model):
    large = saved({"x": torch.zeros(2_000_000)})
    assert "policy.pth takes" in refusal(run, with_member(model, "policy.pth", large))


def test_tensors_that_claim_a_huge_shape(run, model):
    huge = lambda state: {k: torch.zeros(1).expand(10**12) for k in state}  # noqa: E731
    assert "claims" in refusal(run, weights(model, huge))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(run, model, value):
    def spoil(state):
        next(iter(state.values()))[0] = value
        return state

    assert "holds NaN or infinity" in refusal(run, weights(model, spoil))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {},
        lambda state: {k: v[:1] for k, v in state.items()},
        lambda state: dict.fromkeys(state, 3),
        lambda state: dict.fromkeys(state, "text"),
        lambda _: {1: 2},
        lambda _: [1, 2],
        lambda _: bytearray(100),
        lambda state: {k: v.to_sparse() for k, v in state.items()},
        lambda state: {k: v.to(torch.int8) for k, v in state.items()},
        lambda state: {k: v.to(torch.bool) for k, v in state.items()},
        lambda state: {k: v.to(torch.float64) for k, v in state.items()},
        lambda state: {**state, **nested(list)},
        lambda state: {**state, **nested(tuple)},
        lambda state: {**state, "a": deep()},
    ],
    ids=[
        *("empty", "shape", "number", "text", "keys", "list", "bytearray", "sparse"),
        *("int8", "bool", "float64", "lists of lists", "tuples of tuples", "depth"),
    ],
)
def test_contents_of_another_kind(run, model, change):
    assert "not a model of this run" in refusal(run, weights(model, change))


def nested(kind):
    """Return a container that holds 2^60 others, each level twice the one below."""
    inner = kind()
    for _ in range(60):
        inner = kind((inner, inner))
    return {"a": inner}


def deep():
    inner = ()
    for _ in range(400):
        inner = (inner,)
    return inner


def described(program, *members):
    """Return a model whose tensors a pickle describes."""
    return zipped(("policy.pth", zipped(("archive/data.pkl", program), *members)))


TUPLE = (1, 2)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": [TUPLE, TUPLE]}, "nests or repeats its containers; not read"),
        (nested(list), "nests or repeats its containers; not read"),
        ({"a": np.zeros(2)}, "not only tensors; not read"),
        ({"a": "x" * 5_000_000}, "describes its tensors in 5,000,"),
    ],
    ids=["a tuple twice", "lists of lists", "code", "length"],
)
def test_a_description_is_refused_in_every_protocol(held, message, protocol):
    made = described(pickle.dumps(held, protocol), ("archive/version", b"3"))
    with pytest.raises(InputError, match=message) as refused:
        read_tensors(made, "model.zip", 10_000_000)
    assert str(refused.value).startswith("model.zip: policy.pth: ")


@pytest.mark.parametrize("program", [b"", b"\x80", b"0.", b"c", b"\x80\x02h\x05."])
def test_a_description_that_breaks_off_is_damaged(program):
    with pytest.raises(InputError, match=r"^model\.zip: policy\.pth: damaged: ") as refused:
        read_tensors(described(program), "model.zip", 1000)
    assert "\n" not in str(refused.value)


def test_tensors_whose_numbers_are_left_out_are_damaged():
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.ones(2)}))) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    whole, without = (
        zipped(("policy.pth", zipped(*(m for m in members if m[0] not in left_out))))
        for left_out in ((), ("archive/data/0",))
    )
    assert read_tensors(whole, "model.zip", 1000)["a"].tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match=r"^model\.zip: policy\.pth: damaged: ") as refused:
        read_tensors(without, "model.zip", 1000)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"b": torch.ones(2)}, "it has other tensors"),
        ({"a": torch.ones(3)}, "a is a tensor of another kind"),
        ({"a": torch.ones(2, dtype=torch.float64)}, "a is a tensor of another kind"),
        ({"a": torch.tensor([1.0, float("inf")])}, "a holds NaN or infinity"),
        ({"a": torch.tensor([float("nan"), 1.0])}, "a holds NaN or infinity"),
    ],
)
def test_tensors_of_another_model_are_named(others, message):
    own = {"a": torch.zeros(2)}
    check_tensors(own, {"a": torch.ones(2)})
    with pytest.raises(ValueError, match=message):
        check_tensors(own, others)


def npy(shape, dtype="<f8", content=bytes(8)):
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy((10**12,)), "claims the shape"),
        (npy((-1,)), "claims the shape"),
        (npy((10**30, 0)), "claims the shape"),
        (npy((1,), "|O"), "not numbers"),
        (npy((1,), "<U2"), "not numbers"),
        (npy((1,), "<M8[s]"), "not numbers"),
        (npy((1,), [("a", "<f8")]), "not numbers"),
        (npy((1,), "__import__('os')"), "damaged"),
        (npy("x"), "damaged"),
        (npy((1,))[:-12] + b"((((((((((((", "damaged"),
        (b"\x93NUMPY\x01\x00\x03\x00{r,", "damaged"),
        (b"", "damaged"),
        (b"\x93NUMPY\x09\x00", "unknown"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "damaged"),
    ],
)
def test_arrays_that_claim_what_they_do_not_hold(content, message, tmp_path):
    with pytest.raises(InputError, match=message):
        parse_array(content, "x.npy")
    (tmp_path / "x.npz").write_bytes(zipped(("x.npy", content)))
    with pytest.raises(InputError, match=message) as refused:
        read_arrays(tmp_path / "x.npz", "x.npz")
    assert "\n" not in str(refused.value)


def test_honest_arrays_come_back(tmp_path):
    held = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(3), "c": np.zeros((0, 4), np.bool_)}
    np.savez(tmp_path / "x.npz", **held)
    back = read_arrays(tmp_path / "x.npz", "x.npz")
    assert list(back) == list(held)
    for name, values in held.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == values.dtype


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("observation_mean", np.zeros(3), "another shape"),
        ("observation_mean", np.full(7, np.nan), "not finite"),
        ("observation_mean", np.full(7, 1e300), "far too large"),
        ("observation_var", np.full(7, -1.0), "negative"),
        ("observation_count", np.zeros(2), "another shape"),
        ("observation_mean", np.array(["x"] * 7), "not numbers"),
    ],
)
def test_statistics_of_another_kind(run, model, name, values, message):
    with zipfile.ZipFile(run / "model.zip") as archive:
        statistics = archive.read(STATISTICS)
    made = io.BytesIO()
    np.savez(made, **{**read_arrays(statistics, "x"), name: values})
    assert message in refusal(run, with_member(model, STATISTICS, made.getvalue()))


def test_links_are_not_followed(run, model, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for name in ("model.zip", "config.yaml"):
        content = (run / name).read_bytes()
        elsewhere.write_bytes(content)
        (run / name).unlink()
        (run / name).symlink_to(elsewhere)
        with pytest.raises(InputError, match="symbolic link") as refused:
            load_agent(run, "model.zip")
        assert "\n" not in str(refused.value)
        (run / name).unlink()
        (run / name).write_bytes(content)


def test_a_folder_of_players_is_not_followed_out(run, tmp_path):
    home = tmp_path / "home"
    (home / run_files.PLAYERS).mkdir(parents=True)
    (home / run_files.PLAYERS / "store").symlink_to(run)
    with pytest.raises(InputError, match="symbolic link"):
        run_folder.players(home)


def test_memory_stays_small(run, model):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in (npy((10**9,)), npy((1 << 40,), "|i1")):
        arrays = zipped(("observation_mean.npy", content))
        refusal(run, with_member(model, STATISTICS, arrays))
    sizes = b"\x00\x00\x00\x40"
    place = model.rindex(b"PK\x01\x02")
    refusal(run, model[: place + 20] + sizes * 2 + model[place + 28 :])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200_000  # KiB


def test_many_members_are_refused():
    many = zipped(*((str(i), b"") for i in range(10_001)))
    with pytest.raises(InputError, match="10,001 members"), open_archive(many, "x"):
        pass
