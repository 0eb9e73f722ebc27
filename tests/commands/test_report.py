"""What the report of a run reads of its logs, whatever state they are in."""

import pytest

from agents import run_files
from agents.config import resolve
from commands.report import curves_of, read_logs

LOG = "time/total_timesteps,evaluation/return,train/loss\n"


def test_cells_of_a_log_that_are_no_numbers_are_passed_over(tmp_path):
    rows = "100,-5,broken\n,,0.3\nsoon,9,0.2\n50,-7,\n100,-4,inf,1,2\n"
    (tmp_path / "progress.csv").write_text(LOG + rows)
    (log,) = read_logs(tmp_path, "agent")
    assert (log.run, log.phase, log.player) == ("agent", "", "")
    assert list(log.columns) == ["evaluation/return"]
    steps, returns = log.columns["evaluation/return"]
    assert (steps.tolist(), returns.tolist()) == ([50, 100], [-7, -4])


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b"", LOG.encode(), None])
def test_a_log_that_cannot_be_read_leaves_the_report_without_curves(tmp_path, content):
    if content is not None:
        (tmp_path / "progress.csv").write_bytes(content)
    assert read_logs(tmp_path, "agent") == []
    assert curves_of([]) == []


def test_the_logs_of_phases_say_who_learned(tmp_path):
    run_files.begin(tmp_path)
    for number, tier in ((1, "store"), (2, "warehouse")):
        folder = run_files.phase_folder(tmp_path, number)
        folder.mkdir()
        config = resolve({"algo": "ppo", "problem": "stores"}, assignments=(f"team.learn={tier}",))
        run_files.write(folder / run_files.CONFIG, config.to_yaml().encode())
        run_files.write(folder / run_files.FINAL, b"")
        (folder / "progress.csv").write_text(f"{LOG}100,-{number},0.5\n")
    curves = curves_of(read_logs(tmp_path, "agent"))
    assert [curve.phase for curve in curves] == ["phase 1: stores", "phase 2: warehouse"]
    assert [curve.returns.tolist() for curve in curves] == [[-1], [-2]]
