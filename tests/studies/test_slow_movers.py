from click.testing import CliRunner

from studies.slow_movers import KINDS, RULES, made_up, main


def test_demand_is_seldom_and_fades():
    for kind in KINDS:
        demand = made_up(kind, 20, 0)
        assert 0.02 < (demand > 0).mean() < 0.4
    share = (made_up("fading", 40, 0) > 0).mean(axis=1)
    assert share[-200:].mean() < 0.6 * share[:200].mean()


def test_the_rule_for_seldom_demand_is_the_cheapest_of_all(monkeypatch):
    monkeypatch.setattr("studies.slow_movers.KINDS", ("steady", "fading"))
    done = CliRunner().invoke(main, ["--series", "6", "--lead-time", "2"])
    assert done.exception is None
    rows = [line.strip("| ").split(" | ") for line in done.output.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["steady", "2"], ["fading", "2"]]
    for row in rows:
        costs = dict(
            zip((*RULES, "random"), (float(x.replace(",", "")) for x in row[2:]), strict=True)
        )
        assert min(costs, key=costs.get) == "newsvendor_tsb"
