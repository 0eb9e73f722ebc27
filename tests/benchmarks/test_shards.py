"""The benchmark of workers, in small."""

from benchmarks import shards


def test_a_task_takes_time_with_one_worker_and_with_two():
    task = shards.store_labels(100)
    for workers in (1, 2):
        wall, processor = shards.timed(task, workers)
        assert wall > 0
        assert processor > 0
