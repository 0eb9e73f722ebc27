"""The report of tiny runs: it needs no network, names every policy, and tells the same numbers."""

import csv
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import _pylab_helpers

import evaluate
import train
from baselines.policy import RandomPolicy
from baselines.rollout import rollout
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.reference import reference_team
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.report.contents import KeyFigure
from evaluation.report.figures.play import lines_of
from evaluation.report.supply_chain import places_of, store_names, supply_chain_figures
from evaluation.report.text import _key_figure
from evaluation.report.theme import DARK, RIVALS, colours, css_variables, new_figure, style, to_svg
from evaluation.report.views import view_of

FIGURES = ("returns", "gap", "learning", "training", "parts", "episode", "policy")
TABLES = {"cash": [], "stores": ["stores"]}
TINY = {
    "cash": (
        *("--algo", "ppo", "--timesteps", 1600, "--set", "max_steps=12"),
        *("--set", "evaluation.every=400", "--set", "evaluation.episodes=20"),
    ),
    "stores": (
        *("--problem", "stores", "--timesteps", 2000, "--set", "horizon=12"),
        *("--set", "evaluation.every=1000", "--set", "evaluation.episodes=20"),
        *("--set", "evaluation.pictures=0", "--set", "n_steps=12", "--set", "n_epochs=2"),
    ),
}
RULES = {"cash": "buy_buy_convert", "stores": "newsvendor,reference_rules"}


class Page(HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.rows: dict[str, list[float]] = {}
        self.sections: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.sources += [given[n] for n in ("src", "href", "xlink:href") if n in given]
        if tag == "section":
            self.sections.append(given["id"])
        if "data-policy" in given:
            self.rows[given["data-policy"]] = []
        if "data-value" in given:
            self.rows[next(reversed(self.rows))].append(float(given["data-value"]))


@pytest.fixture(scope="module", params=["cash", "stores"])
def reported(request, tmp_path_factory):
    """A tiny run with its report: problem, folder, page."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    command = [*TINY[request.param], "--quiet", "--run-dir", folder]
    train.main.main([str(word) for word in command], standalone_mode=False)
    command = ["--checkpoint", folder, "--episodes", 60, "--baselines", RULES[request.param]]
    evaluate.main.main([*map(str, command), "--report"], standalone_mode=False)
    return request.param, folder, (folder / "report.html").read_text("utf-8")


def test_the_page_needs_no_network(reported):
    _, _, text = reported
    page = Page(text)
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in page.sources)
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert not re.search(r"url\((?!#)|@import|https?://", text)


def test_the_page_has_every_section_and_names_every_policy(reported):
    problem, folder, text = reported
    page = Page(text)
    ends = ["notes", "files", "facts"]
    wanted = ["headline", "manager", "table", *TABLES[problem], *FIGURES, *ends]
    assert page.sections == wanted
    report = json.loads((folder / "evaluation.json").read_text())
    for name in report["policies"]:
        assert name in page.rows
        assert f">{name.replace('_', ' ')}</text>" in text
    assert "nan" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL).lower().split()


def test_the_page_has_the_numbers_of_the_evaluation(reported):
    _, folder, text = reported
    rows = Page(text).rows
    report = json.loads((folder / "evaluation.json").read_text())
    for name, policy in report["policies"].items():
        low, high = policy["return_ci95"]
        expected = [policy["return_mean"], (high - low) / 2, policy["return_worst_5_percent"]]
        expected += [policy["gap"]]
        if name != "agent":
            against = report["policies"]["agent"]["paired"][name]
            expected += [against["difference"], against["better"]]
        assert rows[name][: len(expected)] == pytest.approx(expected)
    assert "All numbers" in text


def test_pictures_and_numbers_are_files(reported):
    problem, folder, text = reported
    files = {path.name: path.read_bytes() for path in (folder / "report").iterdir()}
    pictures = {f"{name}.png" for name in FIGURES}
    numbers = {"policies.csv", "episodes.csv", "training.csv", "parts.csv"}
    numbers |= {f"{name}.csv" for name in TABLES[problem]}
    assert set(files) == pictures | numbers
    assert all(files[name].startswith(b"\x89PNG") for name in pictures)
    assert all(name in text for name in files)
    report = json.loads((folder / "evaluation.json").read_text())["policies"]
    episodes = rows_of(files["episodes.csv"])
    for name, policy in report.items():
        returns = [float(row[name]) for row in episodes]
        assert np.mean(returns) == pytest.approx(policy["return_mean_plain"])
    logged = {(row["run"], row["phase"], row["tag"]) for row in rows_of(files["training.csv"])}
    assert ("agent", "", "train/loss") in logged
    assert ("agent", "", "evaluation/return") in logged


def rows_of(content):
    return list(csv.DictReader(content.decode("utf-8-sig").splitlines()))


def test_stores_add_up_to_the_return_and_have_tiles_for_a_manager(reported):
    problem, folder, text = reported
    report = json.loads((folder / "evaluation.json").read_text())["policies"]
    if problem == "stores":
        rows = rows_of((folder / "report" / "stores.csv").read_bytes())
        for name, policy in report.items():
            own = {row["place"]: row for row in rows if row["policy"] == name}
            returns = [float(own[f"store {i}"]["return"]) for i in (1, 2, 3)]
            assert np.mean(returns) == pytest.approx(policy["return_mean_plain"])
            for tier in ("warehouse", "supplier"):
                kept = policy[f"{tier}_return"]
                assert float(own[tier]["return"]) == pytest.approx(kept)
    tiles = re.findall(r"<dt>((?:money|stock|service): [^<]+)</dt><dd>([\d.,]+)</dd>", text)
    assert [name.partition(":")[0] for name, _ in tiles] == ["money", "stock", "service"]
    assert float(tiles[2][1]) == pytest.approx(100 * report["agent"]["fill_rate"], abs=0.01)


@pytest.mark.parametrize(
    ("more_is_better", "own", "theirs", "remark", "verdict"),
    [
        (False, 9.0, 12.0, "25.0% less than now (12.0)", "better"),
        (False, 12.0, 9.0, "33.3% more than now (9.0)", "worse"),
        (True, 12.0, 9.0, "33.3% more than now (9.0)", "better"),
        (False, 9.001, 9.0, "as now (9.0)", "same"),
        (None, 5.0, 4.0, "25.0% more than now (4.0)", "same"),
        (True, 5.0, 0.0, "more than now (0.0)", "better"),
    ],
)
def test_a_tile_says_whether_it_is_better(more_is_better, own, theirs, remark, verdict):
    figures = [KeyFigure("cost", value, 1, more_is_better) for value in (own, theirs)]
    assert _key_figure(*figures, "now")[2:] == (remark, verdict)


def test_drawings_follow_the_colour_scheme(reported):
    _, _, text = reported
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 2 * len(FIGURES)  # each for wide and for narrow pages
    for drawing in drawings:
        assert "var(--c0)" in drawing
        assert not any(light in drawing for light in DARK)
        assert 'role="img"' in drawing
        assert "<metadata" not in drawing
    ids = re.findall(r' id="([^"]+)"', "".join(drawings))
    assert len(ids) == len(set(ids))
    assert "prefers-color-scheme:dark" in text


def test_matplotlib_is_left_as_it_was(reported):
    with style():
        to_svg(new_figure(2, 2), "name", 'a "label" <here>')
    assert mpl.rcParams["font.size"] == mpl.rcParamsDefault["font.size"]
    assert mpl.rcParams["svg.fonttype"] == mpl.rcParamsDefault["svg.fonttype"]
    assert not _pylab_helpers.Gcf.figs  # no figure that pyplot would keep


def test_every_policy_keeps_its_colour():
    names = ["agent", "random", "optimum", *(f"rule_{i}" for i in range(len(RIVALS)))]
    found = colours(names, ["agent"])
    assert len({found[name] for name in names}) == len(names)
    assert found == colours(names[::-1], ["agent"]) | {
        f"rule_{i}": colour for i, colour in enumerate(RIVALS)
    }
    assert len(set(DARK.values())) == len(DARK)


@pytest.mark.parametrize("colour", [*RIVALS, "#0b63a8"])
def test_lines_stand_out_from_light_and_dark(colour):
    for shade, paper in ((colour, "#fefefe"), (DARK[colour], "#15191e")):
        lighter, darker = sorted((luminance(shade), luminance(paper)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 3  # WCAG 2.1, 1.4.11
    assert css_variables().count(colour) == 1


def luminance(colour: str) -> float:
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize(
    ("parameters", "policy"),
    [
        (CashParameters(max_steps=20), RandomPolicy(3)),
        (CashParameters(max_steps=20, objective="profit", buy_lots=(1, 5)), BuyBuyConvert()),
        (CashParameters(max_steps=20, initial_cash=3, raw_price_mean=1), RandomPolicy(3)),
    ],
)
def test_the_parts_of_the_cash_problem_add_up_to_the_return(parameters, policy):
    problem = PROBLEMS["cash"]
    trace = problem.traces(parameters, "evaluation", 1, 50)
    recorder = view_of(problem).recorder()
    totals = rollout(problem, parameters, policy, trace, observer=recorder)
    seen = recorder.record()
    assert sum(seen.parts["return"].values()) == pytest.approx(totals["return"].mean())
    assert np.nansum(seen.steps["sold"], axis=0) == pytest.approx(totals["units_sold"])
    assert np.nansum(seen.steps["unmet"], axis=0) == pytest.approx(totals["unmet_demand"])
    assert np.isfinite(seen.steps["raw"]).sum(axis=0) == pytest.approx(totals["length"])
    if parameters.initial_cash > 100:
        assert "bankruptcy" not in seen.parts["return"]


PERISHES = {"shelf_life": 2, "waste_cost": 4.0}


@pytest.mark.parametrize("objective", ["reconciliation", "cost"])
@pytest.mark.parametrize("store", [{"unmet_demand": "backlog", "fixed_cost": 3.0}, PERISHES])
def test_the_parts_of_the_supply_chain_add_up_to_every_tier(objective, store):
    problem = PROBLEMS["stores"]
    parameters = SupplyChainParameters(stores=2, horizon=25, objective=objective, store=store)
    trace = problem.traces(parameters, "evaluation", 1, 40)
    recorder = view_of(problem).recorder()
    totals = rollout(problem, parameters, reference_team(), trace, observer=recorder)
    seen = recorder.record()
    tiers = {"store (mean)": "return", "warehouse": "warehouse_return"}
    tiers |= {"supplier": "supplier_return"} if objective == "reconciliation" else {}
    for tier, total in tiers.items():
        assert sum(seen.parts[tier].values()) == pytest.approx(totals[total].mean())
    assert seen.steps["on_hand"].shape == (25, 40, 2)
    named = {part.partition(",")[0] for part in seen.parts["store (mean)"]}
    assert "waste" in named
    assert ("service level, weight 10" in seen.parts["store (mean)"]) == (objective != "cost")


def test_waste_is_a_tile_and_a_column_of_every_store():
    p = SupplyChainParameters(stores=2, horizon=6, store=PERISHES)
    batch = SupplyChainBatch(p, 3)
    batch.reset()
    for _ in range(6):
        batch.step(np.ones((3, 4), np.int64))
    places, totals = places_of(batch), batch.episode_totals()
    wasted = places["store 1"]["units wasted"] + places["store 2"]["units wasted"]
    assert wasted == pytest.approx(totals["units_wasted"].mean())
    assert wasted > 0
    assert places["store 1"]["waste cost"] == pytest.approx(4 * places["store 1"]["units wasted"])
    metrics = {name: values.mean() for name, values in totals.items()}
    one = SimpleNamespace(policies={"agent": SimpleNamespace(metrics=metrics)})
    tiles = supply_chain_figures(SimpleNamespace(comparison=one, parameters=p), "agent")
    assert tiles[-1].name.startswith("waste")
    assert tiles[-1].value == pytest.approx(wasted / 6 / 2)


def test_a_supply_without_limit_is_said_and_stores_have_their_names(demand_file):
    figure = new_figure(3, 3)
    axes = figure.subplots(1, 2)
    lines_of("warehouse")(axes[0], {"warehouse": np.full(5, np.nan)}, "black", [])
    assert [text.get_text() for text in axes[0].texts] == ["without limit"]
    source = {name: demand_file[name] for name in ("file", "split")}
    names = store_names(SupplyChainParameters(demand_data=source))
    assert names == ["shop"]
    lines_of("on_hand")(axes[1], {"on_hand": np.ones((5, 2))}, "black", ["north", "south"])
    assert axes[1].get_legend_handles_labels()[1] == ["north", "south"]
