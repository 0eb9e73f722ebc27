from click.testing import CliRunner

from studies.perishables import main

TINY = (
    *(
        "--agent=dcl",
        "--no-rules",
        "--row=perishable_m2_exp2",
        "--set=hyperparameters.n_states=200",
    ),
    *("--set=timesteps=400", "--set=evaluation.every=200", "--set=evaluation.episodes=20"),
)


def test_runs_that_are_kept_give_the_same_table_again(tmp_path):
    first = CliRunner().invoke(main, [*TINY, f"--runs={tmp_path}"], catch_exceptions=False)
    again = CliRunner().invoke(
        main, [*TINY, f"--runs={tmp_path}", "--no-train"], catch_exceptions=False
    )
    assert first.stdout == again.stdout
    row = first.stdout.splitlines()[2].split(" | ")
    assert row[:2] == ["| perishable_m2_exp2", "14.9544"]
    assert 0.0 <= float(row[2].split("%")[0]) < 1.5  # its starting rule is 1.2% above


def test_an_unknown_row_is_one_line():
    done = CliRunner().invoke(main, ["--row=perishable_m9*"])
    assert done.exit_code == 2
    assert "names none of perishable_m2_exp1" in done.stderr
