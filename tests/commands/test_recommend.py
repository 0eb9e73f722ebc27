"""``recommend.py``: what it says of a file, what it leaves behind, and what it must not see."""

import datetime as dt
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import decide
import evaluate
import recommend
from agents.tuned_file import read_recommendation
from baselines import registry
from commands.recommendation import selection


class Page(HTMLParser):
    """Sections, tags, sources and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections, self.sources, self.tags, self.text = [], [], set(), ""
        self.feed(re.sub(r"<(style|pre)>.*?</\1>", "", text, flags=re.DOTALL))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.sources += [given[n] for n in ("src", "href") if n in given and given[n][0] != "#"]
        self.sections += [given["id"]] if tag == "section" else []

    def handle_data(self, data):
        self.text += f" {data}"


FIRST, DAYS, SPLIT = dt.date(2022, 1, 3), 430, 340
WEEK = np.array([20, 10, 15, 20, 25, 40, 10])
RULES = ("newsvendor_weekday", "newsvendor_smoothing_covariates", "tuned_base_stock")
STATE = "store,on_hand,due_1\nsouth,150,20\nnorth,30,0\n"


def day_after(number):
    """Return the day after so many days of the file."""
    return FIRST + dt.timedelta(days=number)


def write(path, *, other_days=0.0, other_promotions=False):
    """Write a file with promotions that double the demand; the days from the split may differ."""
    rng = np.random.default_rng(0)
    promotion = np.arange(DAYS) % 9 == 4
    units = rng.poisson(
        (WEEK[np.arange(DAYS) % 7] * (1 + promotion))[:, None] * np.array([1.0, 3.0])
    )
    units[SPLIT:] += rng.poisson(other_days, units[SPLIT:].shape)
    if other_promotions:
        promotion[SPLIT:] = ~promotion[SPLIT:]
    rows = ["date,north,south,promotion"]
    for k in range(DAYS):
        rows.append(f"{FIRST + dt.timedelta(days=k)},{units[k, 0]},{units[k, 1]},{promotion[k]:d}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module", autouse=True)
def few_rules():
    """Choose among three rules: tuning more of them takes longer, and shows nothing else."""
    every = registry.rules_in_units
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "rules_in_units", lambda p: {n: every(p)[n] for n in RULES})
        patch.setattr("commands.recommendation.recommend.pieces_of_work", lambda *_, **__: 6)
        patch.setattr("evaluation.business.service_curve.MULTIPLES", (0.5, 2.0))
        patch.setattr("evaluation.business.service_curve.DAYS", (-0.5, 0.5))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("recommend")


@pytest.fixture(scope="module")
def options():
    split = FIRST + dt.timedelta(days=SPLIT)
    return ("--split", split, "--origins", 1, "--algo", "none", "--set", "store.lead_time=1")


@pytest.fixture(scope="module")
def run(home, options):
    from commands.recommendation.recommend import recommend as make

    flags = {"demand": write(home / "sales.csv"), "split": str(options[1])}
    return make(flags, origins=1, assignments=options[-1:], run_dir=home / "run").folder


def test_the_first_line_says_what_to_do(run):
    advice, page = read_recommendation(run), (run / "recommendation.md").read_text()
    assert page.splitlines()[0] == advice.sentence
    assert advice.sentence.startswith(
        "Order by the newsvendor rule on smoothed weekday forecasts that know promotion: it costs "
    )
    assert " against base stock on recent demand at a fill rate of " in advice.sentence
    assert "known ahead: promotion" in page
    assert (
        "costs: a unit held for a day costs 0.1, a lost sale 10, an order 0, and orders take 1 day "
        "(--set store.holding_cost=, .stockout_cost=, .fixed_cost=, .lead_time=)" in page
    )
    assert "| north | " in page
    figures = advice.figures["evaluation"]
    assert set(figures) == set(RULES)
    saved = figures[advice.name]["saved_per_year"]
    less = figures["tuned_base_stock"]["cost_per_year"] - figures[advice.name]["cost_per_year"]
    assert saved["mean"] == pytest.approx(less)
    assert 0 < saved["low"] < saved["mean"] < saved["high"]


def test_the_report_needs_no_network_and_names_what_is_in_the_file(run):
    text = (run / "recommendation.html").read_text("utf-8")
    page, advice = Page(text), read_recommendation(run)
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert not page.sources
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert page.sections == [
        *("headline", "money", "policies", "stores", "service", "other_costs", "weeks"),
        *("bad_weeks", "forecast", "accuracy", "levels", "notes", "origins", "values", "facts"),
    ]
    assert advice.sentence in text
    assert "or defaults: a unit held for a day costs 0.1, a lost sale 10, an order 0" in text
    own = advice.figures["evaluation"][advice.name]
    words = page.text
    assert f"{own['cost_per_year']:,.0f}" in words
    assert f"{own['fill_rate']:.1%}" in words
    assert {"north", "south"} <= set(words.split())
    for name in RULES:
        assert f">{name.replace('_', ' ')}</text>" in text
    assert "nan" not in words.lower().split()
    assert "prefers-color-scheme:dark" in text


def test_a_run_is_reported_and_replayed_again_with_the_same_figures(run_command, run):
    before = (run / "recommendation.html").read_text("utf-8")
    done = run_command(evaluate.main, "--checkpoint", run, "--report")
    assert done.status == 0, done.stderr
    assert f"report: {run / 'recommendation.html'}" in done.stderr
    again = (run / "recommendation.html").read_text("utf-8")
    assert Page(again).text == Page(before).text
    done = run_command(evaluate.main, "--checkpoint", run, "--replay", "--json")
    assert done.status == 0, done.stderr
    played, advice = json.loads(done.stdout), read_recommendation(run)
    assert (played["own"], played["first_day"]) == (advice.name, str(FIRST + dt.timedelta(SPLIT)))
    for name, one in advice.figures["evaluation"].items():
        assert played["policies"][name]["cost_per_year"] == one["cost_per_year"]
    saved = played["policies"]["tuned_base_stock"]["own_saves_per_year"]
    assert saved == advice.figures["evaluation"][advice.name]["saved_per_year"]
    assert played["sentence"].startswith(f"{advice.name} costs ")


def test_a_replay_begins_with_a_state_and_refuses_another_days(run_command, run, tmp_path):
    state = tmp_path / "stock.csv"
    asked = ("--checkpoint", run, "--replay", "--baselines", "none", "--json")
    costs = {}
    for stock in (20, 20_000):
        state.write_text(f"store,on_hand,due_1\nsouth,{stock},0\nnorth,30,5\n")
        done = run_command(evaluate.main, *asked, "--state", state)
        assert done.status == 0, done.stderr
        (costs[stock],) = json.loads(done.stdout)["policies"].values()
    assert costs[20_000]["holding_per_year"] > 2 * costs[20]["holding_per_year"]
    for text, message in (
        ("store,on_hand\nsouth,1\n", "stock.csv: has no row of north"),
        ("store,on_hand,date\nsouth,1,2022-05-01\nnorth,1,2022-05-01\n", "evaluation begins on"),
    ):
        state.write_text(text)
        done = run_command(evaluate.main, *asked, "--state", state)
        assert done.status == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    done = run_command(evaluate.main, *asked[:2], "--state", state)
    assert "--state: is what a --replay begins with" in done.stderr
    done = run_command(evaluate.main, *asked, "--stochastic")
    assert "--replay does not go with --stochastic" in done.stderr


def test_other_evaluation_days_and_promotions_recommend_the_same(run_command, run, home, options):
    path = write(home / "other.csv", other_days=30.0, other_promotions=True)
    asked = ("--demand", path, *options, "--run-dir", home / "other")
    done = run_command(recommend.main, *asked)
    assert done.status == 0, done.stderr
    own, other = (read_recommendation(folder) for folder in (run, home / "other"))
    assert done.stdout == f"{other.sentence}\n"
    assert f"decide.py --checkpoint {home / 'other'}" in done.stderr
    assert (other.kind, other.name, other.values) == (own.kind, own.name, own.values)
    before = "cost_per_year_before_the_split"
    assert other.figures[before] == own.figures[before]  # bit for bit
    assert other.figures["evaluation"] != own.figures["evaluation"]


def test_orders_are_those_of_the_recommended_rule(run_command, run, tmp_path):
    state, calendar = tmp_path / "stock.csv", tmp_path / "calendar.csv"
    state.write_text(STATE)
    day = FIRST + dt.timedelta(days=DAYS)
    orders = {}
    for promoted in (0, 1):
        calendar.write_text(
            f"date,promotion\n{day},{promoted}\n{day + dt.timedelta(days=1)},{promoted}\n"
        )
        asked = ("--checkpoint", run, "--state", state, "--calendar", calendar, "--json")
        done = run_command(decide.main, *asked)
        assert done.status == 0, done.stderr
        orders[promoted] = [row["quantity"] for row in json.loads(done.stdout)]
        assert all(quantity == int(quantity) for quantity in orders[promoted])
    assert orders[1][0] > orders[0][0] + 30
    done = run_command(decide.main, "--checkpoint", run, "--state", state)
    assert done.status == 2
    assert f"promotion: not known of {day}" in done.stderr


@pytest.mark.parametrize("name", ["newsvendor_weekday", "tuned_base_stock"])
def test_another_rule_stands_beside_the_recommended_one_if_asked_for(
    run_command, run, tmp_path, name
):
    (state := tmp_path / "stock.csv").write_text(STATE)
    (calendar := tmp_path / "calendar.csv").write_text(
        "date,promotion\n" + "".join(f"{FIRST + dt.timedelta(days=DAYS + k)},0\n" for k in (0, 1))
    )
    asked = ("--checkpoint", run, "--state", state, "--calendar", calendar, "--json")
    done = run_command(decide.main, *asked, "--baseline", name)
    assert done.status == 0, done.stderr
    assert {row["rule"] for row in json.loads(done.stdout)} == {name}


def test_a_run_that_recommends_a_rule_is_not_taken_for_an_agent(run_command, run):
    done = run_command(evaluate.main, "--checkpoint", run)
    assert done.status == 2
    assert "recommends a rule, newsvendor_smoothing_covariates, not an agent" in done.stderr
    assert done.stderr.count("\n") == 1


def test_too_few_days_and_a_recommendation_that_was_altered_are_refused(
    run_command, run, home, options, tmp_path
):
    few = ("--demand", home / "sales.csv", *options[:2], "--origins", 12)
    done = run_command(recommend.main, *few, "--run-dir", tmp_path / "few")
    assert done.status == 2
    assert "340 of 430 days lie before the split, and --origins 12 needs" in done.stderr
    assert not (tmp_path / "few").exists()
    (tmp_path / "stock.csv").write_text(STATE)
    path = run / "recommendation.json"
    kept = path.read_text()
    path.write_text(kept.replace("newsvendor_smoothing_covariates", "newsvendor_weekday"))
    try:
        done = run_command(decide.main, "--checkpoint", run, "--state", tmp_path / "stock.csv")
    finally:
        path.write_text(kept)
    assert done.status == 2
    assert "was altered after the run wrote it" in done.stderr


def test_a_file_of_months_has_episodes_as_long_as_it_allows_and_no_days_in_its_report(
    run_command, monkeypatch, tmp_path
):
    months = np.arange("2016-01", "2023-01", dtype="datetime64[M]").astype("datetime64[D]")
    units = np.random.default_rng(0).poisson(100.0, months.size)
    rows = [f"{month},{n}" for month, n in zip(months, units, strict=True)]
    (path := tmp_path / "months.csv").write_text("\n".join(["date,A", *rows]) + "\n")
    few, every = ("tuned_base_stock", "tuned_reorder_point"), registry.rules_in_units
    monkeypatch.setattr(selection, "rules_in_units", lambda p: {n: every(p)[n] for n in few})
    asked = ("--demand", path, "--run-dir", tmp_path / "run")
    done = run_command(recommend.main, *asked, "--set", "horizon=28")
    assert done.status == 2
    assert "horizon = 28: before the first origin there is room for 16 months" in done.stderr
    done = run_command(recommend.main, *asked)
    assert done.status == 0, done.stderr
    why = "months.csv: the training period has 38 of the 29 months of an episode, and 28 have to be"
    assert f"no agent is trained beside the rules: {why} known before it" in done.stderr
    assert "origin 3 of 3: tuning and playing the rules\n" in done.stderr
    assert "horizon: 16" in (tmp_path / "run" / "config.yaml").read_text()
    page = Page((tmp_path / "run" / "recommendation.html").read_text("utf-8")).text
    said = re.sub(r"--set \S+", "", done.stderr + page.partition("For the researcher")[0])
    assert "order up to months" in said
    assert not re.findall(r".*\b(?:days?|weeks?)\b.*", said)


def test_orders_follow_the_costs_packs_and_suppliers_of_an_items_file(
    run_command, home, options, tmp_path
):
    items, state = tmp_path / "items.csv", tmp_path / "stock.csv"
    items.write_text("store,price,cost,pack,vendor\nnorth,3,1,,Acme\nsouth,3,1,12,Baker\n")
    state.write_text("store,on_hand,due_1\nsouth,0,0\nnorth,0,0\n")
    folder, asked = tmp_path / "run", ("--demand", write(home / "sales.csv"), "--items", items)
    done = run_command(recommend.main, *asked, *options, "--run-dir", folder)
    assert done.status == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert "items.csv: columns store, cost, price, pack, vendor" in told
    assert "costs: a unit held for a day costs 0.1, a lost sale 2, an order 0" in told
    calendar = tmp_path / "calendar.csv"
    day = FIRST + dt.timedelta(days=DAYS)
    calendar.write_text(f"date,promotion\n{day},0\n{day + dt.timedelta(days=1)},0\n")
    asked = ("--checkpoint", folder, "--state", state, "--calendar", calendar, "--json")
    rows = json.loads(run_command(decide.main, *asked).stdout)
    assert [row["supplier"] for row in rows] == ["Baker", "Acme"]
    assert rows[0]["quantity"] % 12 == 0
    asked = ("--checkpoint", folder, "--replay", "--sweep")
    swept = run_command(evaluate.main, *asked, "store.stockout_cost=2,8")
    note = "store.stockout_cost changes nothing: all items have one of their own in items.csv"
    assert swept.stderr.count(note) == 1
    assert (
        "changes nothing" not in run_command(evaluate.main, *asked, "store.holding_cost=1").stderr
    )
    items.write_text("store,price,cost\nnorth,3,expensive\n")
    done = run_command(recommend.main, "--demand", home / "sales.csv", "--items", items)
    assert done.status == 2
    assert "items.csv row 2: cost = 'expensive': must be a number from 0" in done.stderr


def test_what_if_costs_were_others_for_a_recommended_rule_without_tuning_again(run_command, run):
    asked = ("--checkpoint", run, "--episodes", 20, "--baselines", "none", "--json")
    costs = {}
    for cost in (2, 8):
        done = run_command(evaluate.main, *asked, "--set", f"store.stockout_cost={cost}")
        assert done.status == 0, done.stderr
        costs[cost] = json.loads(done.stdout)["policies"]["recommended"]
    assert costs[8]["fill_rate"] > costs[2]["fill_rate"]
    assert costs[8]["cost_per_day"] > costs[2]["cost_per_day"]
    assert not (run / "evaluation.json").exists()
    swept = run_command(evaluate.main, *asked, "--sweep", "store.stockout_cost=2,8")
    assert swept.status == 0, swept.stderr
    rows = {row["value"]: row["policies"]["recommended"] for row in json.loads(swept.stdout)}
    for cost, own in costs.items():
        assert rows[str(cost)]["cost_per_day"] == own["cost_per_day"]
    table = run_command(evaluate.main, *asked[:-1], "--sweep", "store.stockout_cost=2,8")
    assert "cost /day" in table.stdout
    assert "fill rate %" in table.stdout


def test_sentences_are_about_the_recommended_rule_and_no_agent(run_command, run):
    asked = ("--checkpoint", run, "--episodes", 20, "--baselines", "newsvendor_weekday")
    done = run_command(evaluate.main, *asked, "--set", "store.stockout_cost=8")
    assert done.status == 0, done.stderr
    assert "The recommended rule" in done.stdout + done.stderr
    assert "The agent" not in done.stdout + done.stderr


def test_a_sweep_of_replays_is_the_replay_at_every_value(run_command, run):
    asked = ("--checkpoint", run, "--replay", "--baselines", "newsvendor_average")
    swept = run_command(evaluate.main, *asked, "--json", "--sweep", "store.stockout_cost=2,8")
    assert swept.status == 0, swept.stderr
    rows = {row["value"]: row["policies"] for row in json.loads(swept.stdout)}
    for cost in ("2", "8"):
        changed = ("--json", "--set", f"store.stockout_cost={cost}")
        one = json.loads(run_command(evaluate.main, *asked, *changed).stdout)["policies"]
        assert one.keys() == rows[cost].keys() == {"recommended", "newsvendor_average"}
        for name, figures in rows[cost].items():
            assert figures == {key: one[name][key] for key in figures}
    assert rows["8"]["recommended"]["fill_rate"] > rows["2"]["recommended"]["fill_rate"]
    table = run_command(evaluate.main, *asked, "--sweep", "store.stockout_cost=2,8").stdout
    assert "cost a year" in table
    assert f"{rows['8']['recommended']['cost_per_year']:,.2f}" in table


@pytest.mark.parametrize("other", [("--csv", "x.csv"), ("--stores", "3"), ("--report",)])
def test_a_sweep_says_which_option_does_not_go_with_it(run_command, run, other):
    asked = ("--checkpoint", run, "--sweep", "store.stockout_cost=2,8")
    done = run_command(evaluate.main, *asked, *other)
    assert done.status == 2
    assert f"--sweep does not go with {other[0]}; leave one out" in done.stderr


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--set", "gamma=0.5"), "with --checkpoint only the problem can be changed"),
        (("--set", "store.lead_time=3"), "the store's lead time is part of what the policy was"),
        (("--sweep", "store.stockout_cost"), "must be a key and 1 to 50 values, such as"),
        (("--set", "store.stockout=3"), "unknown key"),
    ],
)
def test_a_change_that_the_policy_was_not_made_for_is_one_line(run_command, run, asked, message):
    done = run_command(evaluate.main, "--checkpoint", run, *asked)
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
