from pathlib import Path

from click.testing import CliRunner

from studies.recommend import SPLITS, main

SAMPLE = Path(__file__).parents[2] / "data" / "bakery_promotions.csv"


def test_every_split_has_a_row_and_all_of_them_a_line():
    asked = ("--demand", SAMPLE, "--stores", "2", "--rules", "newsvendor_weekday")
    done = CliRunner().invoke(main, [str(word) for word in (*asked, "--lead-time", 1)])
    assert done.exception is None
    rows = [line.split(" | ") for line in done.output.splitlines() if line.startswith("| 1 |")]
    assert [row[1] for row in rows] == list(SPLITS)
    assert {row[2] for row in rows} <= {"newsvendor_weekday", "newsvendor_weekday_covariates"}
    assert all(row[4].startswith("newsvendor_weekday: ") for row in rows)
    assert "saved against the choice without covariates" in done.output


def test_the_choice_is_held_against_one_rule_and_what_was_played_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("studies.recommend.SPLITS", SPLITS[-1:])
    rules = [word for name in ("average", "weekday") for word in ("--rules", f"newsvendor_{name}")]
    asked = ("--demand", SAMPLE, "--stores", "2", *rules, "--rival", "newsvendor_average")
    asked = [str(word) for word in (*asked, "--lead-time", 1, "--runs", tmp_path)]
    done = CliRunner().invoke(main, asked)
    assert done.exception is None
    monkeypatch.setattr("studies.recommend.play_rules", None)
    assert CliRunner().invoke(main, asked).output == done.output
    (row,) = [line.split(" | ") for line in done.output.splitlines() if line.startswith("| 1 |")]
    assert row[4].startswith("newsvendor_average: ")
    assert "saved against newsvendor_average." in done.output


def test_an_agent_is_one_more_candidate_and_held_against_the_choice_among_rules(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("studies.recommend.SPLITS", SPLITS[-1:])
    monkeypatch.setattr("studies.recommend.ORIGINS", 1)
    short = ("n_states=60", "paths=[2]", "fit_steps=20", "timesteps=120", "evaluation.every=60")
    short += ("evaluation.episodes=10", "evaluation.pictures=0", "least_evidence=1000")
    sets = [word for one in short for word in ("--set", one)]
    asked = ("--demand", SAMPLE, "--stores", "2", "--rules", "newsvendor_weekday", *sets)
    asked = [*map(str, asked), "--lead-time", "1", "--algo", "dcl", "--runs", str(tmp_path)]
    done = CliRunner().invoke(main, asked)
    assert done.exception is None
    monkeypatch.setattr("studies.recommend.play_rules", None)
    assert CliRunner().invoke(main, asked).output == done.output
    (row,) = [line.split(" | ") for line in done.output.splitlines() if line.startswith("| 1 |")]
    assert row[4].startswith("newsvendor_weekday")
    assert row[5] == "+0.0% [+0.0%, +0.0%]"  # without evidence the agent is the rule
    assert "dcl, chosen or not: " in done.output
    wrong = CliRunner().invoke(
        main, [*asked, "--rival", "newsvendor_weekday"], catch_exceptions=True
    )
    assert "--algo: goes with one --rules at most" in str(wrong.exception)
