from click.testing import CliRunner

from studies.frontier import RULE, Point, curve, draw, draw_curves, main, points


def test_a_row_has_the_rule_and_every_algorithm_that_ran(tmp_path):
    tiny = ("--set=timesteps=800", "--set=evaluation.every=400", "--set=evaluation.episodes=20")
    options = ("--row=cash", "--algo=maskable_ppo", "--no-picture", f"--runs={tmp_path}")
    done = CliRunner().invoke(main, [*options, *tiny], catch_exceptions=False)
    heads, _, row = (line.strip("| ").split(" | ") for line in done.stdout.splitlines())
    assert heads == ["instance", RULE, "maskable_ppo"]
    rule, agent = (float(cell.split("%")[0]) for cell in row[1:])
    assert row[0] == "cash"
    assert abs(rule) < 0.05
    assert agent > rule
    found = curve(tmp_path / "cash__maskable_ppo__seed_0")
    assert len(found) >= 2
    assert 0.0 < found[0][0] < found[1][0]
    assert all(0.0 < gap < 10.0 for _, gap in found)
    draw_curves({"maskable_ppo": found}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_algorithms_that_see_other_things_stand_in_one_row(tmp_path):
    tiny = ("--set=timesteps=1200", "--set=evaluation.every=400", "--set=evaluation.episodes=20")
    options = ("--row=cash", "--no-picture", f"--runs={tmp_path}")
    for algo, step in (("dqn", "false"), ("maskable_ppo", "true")):
        more = (f"--algo={algo}", *tiny, f"--set=observation.step={step}")
        CliRunner().invoke(main, [*options, *more], catch_exceptions=False)
    done = {
        ("cash", algo, 0): tmp_path / f"cash__{algo}__seed_0" for algo in ("dqn", "maskable_ppo")
    }
    found = points("cash", done)
    assert sorted(point.policy for point in found) == [RULE, "dqn", "maskable_ppo"]
    rule, *agents = sorted(found, key=lambda point: point.policy != RULE)
    assert (rule.gap, rule.half_width) == (0.0, 0.0)  # it does what the optimum does
    assert all(point.half_width > 0.0 for point in agents)


def test_a_name_of_no_instance_is_refused():
    done = CliRunner().invoke(main, ["--row=cars"])
    assert done.exit_code == 2
    assert "names none of cash, stores" in done.stderr


def test_the_picture_has_a_panel_for_each_instance(tmp_path):
    found = {
        name: [Point(RULE, 8.0, 0.01, 0.001), Point("dcl", 40.0, -1e-6, 1e-5)]
        for name in ("cash", "stores", "lost_sales_p4_L2", "lost_sales_p4_L4", "other")
    }
    draw(found, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
