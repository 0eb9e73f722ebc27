"""A recommendation in words and tables: what is understood at once, then what it rests on."""

from collections.abc import Iterator
from typing import Any

from commands.recommendation.selection import MANY, MOST_MISSED, Candidates, Periods
from demand.dates import PeriodName
from demand.forecasts.forecast import COVARIATES
from demand.table import DemandTable
from evaluation.replay import Interval, saved_per_year

MOST_ROWS = 10
IN_WORDS = {
    "newsvendor_average": "the newsvendor rule on the mean of the last week",
    "newsvendor_weekday": "the newsvendor rule on the means of the last four same weekdays",
    "newsvendor_smoothing": "the newsvendor rule on smoothed weekday forecasts",
    "newsvendor_tsb": "the newsvendor rule on how often there is demand and how much",
    "newsvendor_boosting": "the newsvendor rule on gradient-boosted weekday forecasts",
    "tuned_reorder_point": "a reorder point in days of recent demand",
    "tuned_base_stock": "base stock on recent demand",
    "tuned_weekday": "base stock on the means of the last four same weekdays",
    "tuned_smoothing": "base stock on smoothed weekday forecasts",
    "tuned_newsvendor_smoothing": "the newsvendor rule with tuned safety stock on smoothed weekday "
    "forecasts",
    "reorder_point_smoothing": "a reorder point and economic order quantities on smoothed weekday "
    "forecasts",
    "reorder_point_tsb": "a reorder point and economic order quantities on how often there is "
    "demand and how much",
    "reorder_point_boosting": "a reorder point and economic order quantities on gradient-boosted "
    "weekday forecasts",
    "tuned_reorder_point_smoothing": "a tuned reorder point and order quantity on smoothed weekday "
    "forecasts",
    "tuned_reorder_point_boosting": "a tuned reorder point and order quantity on gradient-boosted "
    "weekday forecasts",
    "tuned_newsvendor_boosting": "the newsvendor rule with tuned safety stock on gradient-boosted "
    "weekday forecasts",
}


def in_words(name: str, known_ahead: tuple[str, ...] = (), period: PeriodName = "day") -> str:
    """Return what a rule is, for people; weeks and months have no weekdays."""
    words = IN_WORDS.get(name.removesuffix(COVARIATES), name)
    if period != "day":
        words = words.replace("weekday ", "").replace("the last week", f"the last 7 {period}s")
        words = words.replace("in days of", f"in {period}s of")
    if not name.endswith(COVARIATES):
        return words
    return f"{words} that know {', '.join(known_ahead) or 'what is known ahead'}"


def savings(found: Candidates) -> dict[str, Interval]:
    """Return what each candidate saves per year of the evaluation period against the usual rule."""
    usual = found.evaluation[found.usual]
    return {name: saved_per_year([one], [usual]) for name, one in found.evaluation.items()}


def sentence(found: Candidates, known_ahead: tuple[str, ...]) -> str:
    """Return the recommendation, and whether it is worth it to train an agent."""
    name, known, agent = found.choice, known_ahead, found.agent
    own = found.evaluation[name]
    period = own.period
    trained = name == agent
    what = f"the agent that {name} trained" if trained else in_words(name, known, period)
    text = f"Order by {what}: it costs {own.cost_per_year:,.0f} a year"
    if name != found.usual:
        saved = savings(found)[name]
        text += f" and {'saves' if saved.mean >= 0 else 'that is'} "
        text += _beside(saved, in_words(found.usual, period=period))
        text += "," if saved.may_be_chance else ""
    text += f" at a fill rate of {own.fill_rate:.1%}"
    served = str(found.served.get(name, ""))
    text += f" (items with a service level: {served})." if served else "."
    if trained:
        rule = found.choice_among(found.values)
        saved = saved_per_year([own], [found.evaluation[rule]])
        is_worth, saves = ("is", "saves") if saved.mean >= 0 else ("turned out not to be", "costs")
        other = _beside(saved, f"the choice without it, {in_words(rule, known, period)}")
        text += f" Training an agent {is_worth} worth it here: it {saves} {other}."
    elif agent is not None:
        text += f" {_not_chosen(found, agent)}"
    return text


def _not_chosen(found: Candidates, agent: str) -> str:
    """Return a sentence on an agent that is not chosen, although it may turn out cheaper."""
    saved = saved_per_year([found.evaluation[agent]], [found.evaluation[found.choice]])
    if saved.mean <= 0 or agent in found.same_as:
        return f"Training an agent ({agent}) is not worth it here."
    return (
        f"Training an agent ({agent}) did not pay on the earlier days that choose, and would have "
        f"saved {_beside(saved, 'this rule')}."
    )


def _beside(saved: Interval, other: str) -> str:
    """Return by how much one is cheaper or dearer than another."""
    than, by = "against" if saved.mean >= 0 else "more than", saved.unsigned()
    text = f"{by.mean:,.0f} a year [{by.low:z,.0f}, {by.high:z,.0f}] {than} {other}"
    return f"{text}, which may be chance" if saved.may_be_chance else text


def figures(found: Candidates, periods: Periods) -> dict[str, Any]:
    """Return what the recommendation rests on, as JSON values.

    ``rules`` are the tuned parameters of all rules, ``rule`` is the choice among these, and
    ``agent`` what was trained beside them.
    """
    saved = savings(found)
    return {
        "agent": found.agent,
        "rule": found.choice_among(found.values),
        "rules": found.values,
        "chosen": found.choice,
        "origins": [day.isoformat() for day in periods.origins],
        "split": periods.split.isoformat(),
        "until": periods.until.isoformat(),
        "cost_per_year_before_the_split": found.costs(),
        "cost_per_year_by_origin": {
            name: [one.cost_per_year for one in replays] for name, replays in found.folds.items()
        },
        "evaluation": {
            name: {**one.to_json(), "saved_per_year": saved[name].to_json()}
            for name, one in found.evaluation.items()
        },
    }


def page(
    found: Candidates, periods: Periods, table: DemandTable, understood: str, advice: str
) -> str:
    """Return the recommendation as a page of Markdown, its first line what to do."""
    return "\n".join([advice, "", *_lines(found, periods, table, understood)]) + "\n"


def _lines(
    found: Candidates, periods: Periods, table: DemandTable, understood: str
) -> Iterator[str]:
    saved, costs, choice = savings(found), found.costs(), found.choice
    last = table.date(table.periods.number(periods.until) - 1)
    span = table.periods.span(found.evaluation[choice].first_day, last)
    yield f"## From {span}, one {table.period} after the other"
    yield ""
    yield (
        f"{table.period.capitalize()}s that nothing was chosen, tuned or trained on. Savings are "
        f"against {in_words(found.usual, period=table.period)}, with 95% intervals from blocks of "
        f"{table.period}s."
    )
    yield ""
    yield "| ordered by | cost a year | saved a year | fill rate | units on hand | orders a year |"
    yield "|---|---|---|---|---|---|"
    for name, one in sorted(found.evaluation.items(), key=lambda item: item[1].cost_per_year):
        mark, s = ("**" if name == choice else ""), saved[name]
        interval = "" if name == found.usual else f"{s.mean:z,.0f} [{s.low:z,.0f}, {s.high:z,.0f}]"
        yield (
            f"| {mark}{name}{mark} | {one.cost_per_year:,.0f} | {interval} | {one.fill_rate:.2%} | "
            f"{one.mean_on_hand:,.0f} | {one.orders_per_year:,.0f} |"
        )
    yield ""
    own, usual = found.evaluation[choice], found.evaluation[found.usual]
    yield "## Stores"
    yield ""
    yield f"| store | {choice}: cost a year | saved a year |"
    yield "|---|---|---|"
    by_store, before = own.by_store(), usual.by_store()
    for n in by_store.argsort()[::-1][:MOST_ROWS]:
        yield f"| {_cell(table.stores[n])} | {by_store[n]:,.0f} | {before[n] - by_store[n]:z,.0f} |"
    yield ""
    if len(table.skus) > 1:
        yield "## Dearest products"
        yield ""
        yield "| product | store | cost a year | saved a year |"
        yield "|---|---|---|---|"
        by_sku, before = own.by_sku(), usual.by_sku()
        for at in by_sku.reshape(-1).argsort()[::-1][:MOST_ROWS]:
            k, n = divmod(int(at), len(table.stores))
            cost, less = by_sku[k, n], before[k, n] - by_sku[k, n]
            names = f"{_cell(table.skus[k])} | {_cell(table.stores[n])}"
            yield f"| {names} | {cost:,.0f} | {less:z,.0f} |"
        yield ""
    yield "## How it was chosen"
    yield ""
    origins = ", ".join(day.isoformat() for day in periods.origins)
    made = "tuned" if found.agent is None else "tuned or trained"
    yield (
        f"Each was {made} on all {table.period}s before {origins} and played from there to the "
        f"next one, the last to {periods.split}. Chosen is the simplest one, by the number of "
        "tuned parameters (what multiplies a safety stock does not count), of those that are "
        "dearer than the cheapest by at most one standard error of the difference, over blocks of "
        f"the calendar; and of all as simple the cheapest. Cost a year over these {table.period}s:"
    )
    yield ""
    served = {name: str(one) for name, one in found.service.items()}
    asked = any(served.values())
    if asked:
        yield (
            f"Left out are those that missed more than {MOST_MISSED:g} times what the service "
            "levels of the items file allow (or than the one that missed least, if all miss more)."
        )
        yield ""
    titles = ["ordered by", "cost a year", "dearer than the cheapest", "parameters"]
    titles += ["sold, asked for"] if asked else []
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    best, a_year = found.cheapest, found.evaluation[choice].a_year
    serving = found.serving(found.folds)
    for name, cost in costs.items():
        away, parameters = found.dearer(name, best), found.parameters(name)
        dearer = f"{a_year * away.mean:z,.0f} ± {a_year * away.standard_error:,.0f}"
        dearer = ("" if name == best else dearer) if name in serving else "left out"
        count = "many" if parameters >= MANY else str(parameters)
        mark = "**" if name == choice else ""
        cells = [f"{mark}{name}{mark}", f"{cost:,.0f}", dearer, count]
        cells += [served[name]] if asked else []
        yield f"| {' | '.join(cells)} |"
    yield ""
    for agent, rule in found.same_as.items():
        yield (
            f"{agent} found no evidence on the {table.period}s before {periods.split} that offsets "
            f"save anything: it is exactly {rule} from there on, which stands for it."
        )
        yield ""
    yield "## What the file was understood to be"
    yield ""
    yield "```"
    yield understood
    yield "```"


def _cell(name: str) -> str:
    return name.replace("|", "/").replace("`", "'")
