from benchmarks import many_skus
from common.errors import validated
from demand.history import StoreDemand
from demand.reader import read_demand


def test_the_file_is_one_that_training_reads(tmp_path):
    many_skus.write_file(tmp_path / "many.csv", skus=4, stores=2, days=400)
    table = read_demand(validated(StoreDemand, {"file": tmp_path / "many.csv"}))
    assert table.demand.shape == (400, 4, 2)
    assert len({round(x, 3) for x in table.demand.mean(axis=(0, 2)).tolist()}) == 4
    options = ["--demand", str(tmp_path / "many.csv"), "--n-envs", "8"]
    small = ("n_steps=14", "batch_size=56", "horizon=14", "evaluation.pictures=0")
    assert (
        many_skus.train_steps(
            [*options, *(x for one in small for x in ("--set", one))], 200, tmp_path
        )
        > 0
    )
