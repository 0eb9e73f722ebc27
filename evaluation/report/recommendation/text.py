"""Sentences, tiles and tables of a recommendation's report."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from evaluation.business.economics import costs_in_words
from evaluation.business.weeks import BadWeek, span_name
from evaluation.replay import Interval
from evaluation.report.recommendation.contents import RecommendationContents
from evaluation.report.tables import Cell, ReportTable
from evaluation.report.theme import spoken

MOST_STORES, MOST_ITEMS = 60, 15
Tile = tuple[str, str, str, str]


class RecommendationText:
    """Sentences, tiles and tables of a recommendation's report."""

    def __init__(self, contents: RecommendationContents) -> None:
        self._c = contents
        self._day = contents.table.period

    @property
    def subtitle(self) -> str:
        """The data and period that the numbers are about."""
        c = self._c
        table = c.table
        return (
            f"{table.name}: {_count(len(table.stores), 'store')}, "
            f"{_count(len(table.skus), 'product')}. All figures are of {c.span}, "
            f"{c.own.days:,} {self._day}s that nothing was chosen, tuned or trained "
            "on, played one after the other with stock carried over; money is by the year."
        )

    @property
    def tiles(self) -> list[Tile]:
        """Name, value, remark and verdict of the figures that an owner asks for first."""
        c, own, other = self._c, self._c.own, self._c.other
        tiles = [("cost a year", f"{own.cost_per_year:,.0f}", self._parts(), "")]
        if c.choice != c.usual:
            tiles.append(self._saved(c.saved[c.choice]))
        lost = float((own.demand - own.sales).sum()) * own.a_year / own.days
        beside = f"; {other.fill_rate:.1%} by {self.usual}" if c.choice != c.usual else ""
        tiles.append(
            (
                "demand served at once",
                f"{own.fill_rate:.1%}",
                f"{lost:,.0f} units missed a year{beside}",
                "",
            )
        )
        tiles.append(self._stock())
        orders, placed = own.orders_per_year, own.mean_order
        before = f"; {other.orders_per_year:,.0f} by {self.usual}" if c.choice != c.usual else ""
        tiles.append(
            ("orders a year", f"{orders:,.0f}", f"of {placed:,.1f} units on average{before}", "")
        )
        return tiles

    @property
    def usual(self) -> str:
        """The policy that savings are measured against, in words."""
        return self._c.in_words.get(self._c.usual, self._c.usual)

    def _parts(self) -> str:
        words = {"holding": "stock", "stockouts": "lost sales", "ordering": "orders"}
        own = self._c.own
        shown = [
            f"{words.get(part, part)} {own.part_per_year(part):,.0f}"
            for part in own.parts
            if own.part_per_year(part) > 0
        ]
        return ", ".join(shown) or "nothing was spent"

    def _saved(self, saved: Interval) -> Tile:
        verdict = "better" if saved.low > 0 else "worse" if saved.high < 0 else "same"
        share = saved.mean / max(self._c.other.cost_per_year, 1e-9)
        bounds = f"{saved.low:z,.0f} to {saved.high:z,.0f}"
        remark = f"{share:+z.1%} beside {self.usual}; 95% interval {bounds}"
        remark += ", which may be chance" if verdict == "same" else ""
        return "saved a year", f"{saved.mean:z,.0f}", remark, verdict

    def _stock(self) -> Tile:
        c = self._c
        units = f"{c.own.mean_on_hand:,.0f} units on average"
        if (worth := c.stock_value) is None:
            remark = "in the evening, all stores; name unit costs (--items) for its value"
            return "stock", f"{c.own.mean_on_hand:,.0f} units", remark, ""
        part = "" if worth.known > 0.995 else f", {worth.known:.0%} of them with a known unit cost"
        return "value of the stock", f"{worth.value:,.0f}", f"{units}{part}", ""

    @property
    def tables(self) -> list[ReportTable]:
        """Tables for the person who decides."""
        made = [self._policies(), self._stores(), self._items(), self._bad_weeks(), self._costs()]
        made += [self._accuracy(), self._levels() if self._c.levels else None]
        return [table for table in made if table is not None]

    @property
    def research(self) -> list[ReportTable]:
        """Tables on how the policy was chosen."""
        return [self._origins(), self._values()]

    def caption(self, figure: str) -> str:
        """Return the caption of a figure."""
        c = self._c
        span = span_name(self._day)
        return {
            "money": "All rules and agents that were tried, the cheapest first; bold is the "
            f"recommendation, chosen on earlier {self._day}s, and so not always the cheapest here.",
            "service": "What stock and orders cost, lost sales left out, against the share of "
            f"demand that is served. Lines: {self._curves()} with more or less stock than it would "
            "order; the recommended amount is the one that makes stock and lost sales cheapest "
            "together. Points: all others as they are, where they are near.",
            "weeks": f"The {span}s with a number are the dearest ones of the recommendation, and "
            "stand in the table below.",
            "forecast": f"What was asked for, and what {spoken(c.forecast.name)} expected of each "
            f"{self._day} {self._ahead()}, summed by {span}.",
        }[figure]

    def _curves(self) -> str:
        return " and ".join(spoken(name) for name in self._c.curves)

    def _ahead(self) -> str:
        days = self._c.forecast.days_ahead
        return f"{_count(days, self._day)} before it" if days else "in its morning"

    def _policies(self) -> ReportTable:
        c = self._c
        rows: list[list[Cell]] = []
        for name in c.ranked:
            one, saved = c.replays[name], c.saved[name]
            against = [saved.mean, f"{saved.low:z,.0f} to {saved.high:z,.0f}"]
            rows.append(
                [
                    spoken(name),
                    one.cost_per_year,
                    *([None, None] if name == c.usual else against),
                    one.fill_rate,
                    one.mean_on_hand,
                    one.orders_per_year,
                    one.mean_order,
                ]
            )
        caption = (
            f"Saved: against {self.usual}, with 95% intervals from blocks of {self._day}s. "
            "The coloured row is the recommendation."
        )
        columns = ["ordered by", "cost a year", "saved a year", "95% interval", "demand served"]
        columns += ["units on hand", "orders a year", "units an order"]
        return ReportTable(
            "policies",
            "All that were tried",
            caption,
            columns,
            rows,
            formats=("", ",.0f", ",.0f", "", ".1%", ",.0f", ",.0f", ",.1f"),
            own=c.ranked.index(c.choice),
        )

    def _stores(self) -> ReportTable:
        c, own = self._c, self._c.own
        costs, before = own.by_store(), c.other.by_store()
        asked, sold = own.demand.sum(axis=(0, 1)), own.sales.sum(axis=(0, 1))
        stock = own.on_hand.sum(axis=1).mean(axis=0)
        orders = own.a_year * (own.orders > 0).sum(axis=(0, 1)) / own.days
        rows: list[list[Cell]] = [
            [
                c.table.stores[n],
                float(costs[n]),
                float(before[n] - costs[n]),
                float(sold[n] / asked[n]) if asked[n] else None,
                float(stock[n]),
                float(orders[n]),
            ]
            for n in np.argsort(-costs, kind="stable")[:MOST_STORES].tolist()
        ]
        columns = ["store", "cost a year", "saved a year", "demand served", "units on hand"]
        return ReportTable(
            "stores",
            "Store by store",
            f"The dearest first. Saved: against {self.usual}.",
            [*columns, "orders a year"],
            rows,
            formats=("", ",.0f", ",.0f", ".1%", ",.0f", ",.0f"),
        )

    def _items(self) -> ReportTable | None:
        c, own = self._c, self._c.own
        if len(c.table.skus) < 2:
            return None
        costs, before = own.by_sku(), c.other.by_sku()
        asked, sold = own.demand.sum(axis=0), own.sales.sum(axis=0)
        several, items = len(c.table.stores) > 1, c.parameters.history.items
        aims = np.full(costs.shape, np.nan) if items is None else items.targets
        aimed = not np.isnan(aims).all()
        rows: list[list[Cell]] = []
        for at in np.argsort(-costs.reshape(-1), kind="stable")[:MOST_ITEMS].tolist():
            k, n = divmod(at, costs.shape[1])
            served = float(sold[k, n] / asked[k, n]) if asked[k, n] else None
            names: list[Cell] = [c.table.skus[k], *([c.table.stores[n]] if several else [])]
            cells: list[Cell] = [float(costs[k, n]), float(before[k, n] - costs[k, n]), served]
            cells += [None if np.isnan(aims[k, n]) else float(aims[k, n])] if aimed else []
            stock = float(own.on_hand[:, k, n].mean())
            rows.append([*names, *cells, stock, float(own.a_year * asked[k, n] / own.days)])
        columns = ["product", *(["store"] if several else []), "cost a year", "saved a year"]
        columns += ["demand served", *(["to be served"] if aimed else [])]
        columns += ["units on hand", "asked for a year"]
        return ReportTable(
            "items",
            "Products that cost most",
            f"{len(rows)} of {costs.size:,}. Saved: against {self.usual}.",
            columns,
            rows,
            formats=(
                *([""] * (1 + several)),
                *(",.0f", ",.0f", *([".1%"] * (1 + aimed)), ",.1f", ",.0f"),
            ),
        )

    def _bad_weeks(self) -> ReportTable | None:
        weeks = self._c.bad_weeks
        if not weeks:
            return None
        span = span_name(self._day)
        rows = [self._week(rank, week) for rank, week in enumerate(weeks, 1)]
        columns = ["", f"{span} from", "cost", f"cost by {self.usual}", "asked for"]
        return ReportTable(
            "bad_weeks",
            f"The worst {span}s",
            f"What the recommendation cost in them, in all; usual is the median {span}.",
            [*columns, "beside usual", "units missed", "most of it at", "its share"],
            rows,
            formats=("", "", ",.0f", ",.0f", ",.0f", "+.0%", ",.0f", "", ".0%"),
        )

    def _week(self, rank: int, week: BadWeek) -> list[Cell]:
        more = week.demand / week.usual - 1.0 if week.usual > 0 else None
        figures: list[Cell] = [week.cost, week.other_cost, week.demand, more, week.lost]
        at = self._c.place(week.sku, week.store)
        return [str(rank), week.first_day.isoformat(), *figures, at, week.share]

    def _costs(self) -> ReportTable:
        c = self._c
        orders = any(one.ordering != 1.0 for one in c.other_costs)
        rows: list[list[Cell]] = []
        own = 0
        for row, one in enumerate(c.other_costs):
            if one.holding == one.stockouts == one.ordering == 1.0:
                own = row
            saved = one.costs[c.usual] - one.costs[c.choice]
            factors = one.holding, one.stockouts, *([one.ordering] if orders else [])
            rows.append([*map(_times, factors), one.costs[c.choice], saved, spoken(one.cheapest)])
        return ReportTable(
            "other_costs",
            "If costs were others",
            f"What it would cost if holding stock, {'ordering, ' if orders else ''}or a lost sale, "
            f"cost half or twice as much and all ordered as they do now. Saved: against "
            f"{self.usual}. To have rules tuned for other costs, run recommend.py with them; "
            "evaluate.py --sweep plays this recommendation under several.",
            [
                *("a unit held", "a lost sale", *(["ordering"] if orders else [])),
                *("cost a year", "saved a year", "cheapest then"),
            ],
            rows,
            formats=(*([""] * (3 if orders else 2)), ",.0f", ",.0f", ""),
            own=own,
        )

    def _accuracy(self) -> ReportTable:
        c, record = self._c, self._c.forecast
        judged: list[tuple[str, Any, Any]] = [("all", record.error(), record.bias())]
        if len(c.table.stores) > 1:
            names = [f"store {store}" for store in c.table.stores[:MOST_STORES]]
            judged += zip(names, record.error((0, 1)), record.bias((0, 1)), strict=False)
        if 1 < len(c.table.skus) <= MOST_ITEMS:
            names = [f"product {sku}" for sku in c.table.skus]
            judged += zip(names, record.error((0, 2)), record.bias((0, 2)), strict=True)
        rows: list[list[Cell]] = [
            [name, *(None if np.isnan(one) else float(one) for one in figures)]
            for name, *figures in judged
        ]
        return ReportTable(
            "accuracy",
            "How far off forecasts were",
            f"Of single {self._day}s, products and stores, {self._ahead()}: the sum of what they "
            "missed by over what was asked for, and how much too high (+) or too low they were on "
            "the whole. Stock for surprises covers the first; the second should be near 0.",
            ["", "off by", "too high or low"],
            rows,
            formats=("", ".1%", "+.1%"),
        )

    def _levels(self) -> ReportTable:
        c = self._c
        shown = sorted(c.levels, key=lambda name: c.levels[name].pinball)
        rows: list[list[Cell]] = [
            [spoken(name), one.pinball, one.coverage, one.aim]
            for name, one in ((name, c.levels[name]) for name in shown)
        ]
        return ReportTable(
            "levels",
            "How good order-up-to levels were",
            "In what share of cases demand until the next order can arrive stayed within the level "
            "that a rule ordered up to, and in what share it should, by what a lost sale and stock "
            "cost. Pinball loss, over the mean demand, weighs by how much it did not; less is "
            "better.",
            ["rule", "pinball loss", "stayed within", "should"],
            rows,
            formats=("", ".4f", ".1%", ".1%"),
            own=shown.index(c.choice) if c.choice in shown else None,
        )

    def _origins(self) -> ReportTable:
        c = self._c
        ends, periods = [*c.origins[1:], c.split], c.table.periods
        columns = [
            periods.span(first, periods.date(periods.number(end) - 1))
            for first, end in zip(c.origins, ends, strict=True)
        ]
        names = sorted(c.folds, key=lambda name: sum(c.folds[name]))
        rows: list[list[Cell]] = [
            [spoken(name), *c.folds[name], c.replays[name].cost_per_year]
            for name in names
            if name in c.replays
        ]
        return ReportTable(
            "origins",
            "How it was chosen",
            f"Cost a year in each period before the split. Every rule was tuned, and every agent "
            f"trained, on all {self._day}s before a period, and played through it. Chosen is the "
            "simplest, by the number of tuned parameters (what multiplies a safety stock does not "
            "count), of those that are not dearer than the "
            "cheapest by more than chance. The last column is the evaluation, which chose nothing.",
            ["ordered by", *columns, c.span],
            rows,
            formats=("", *([",.0f"] * (len(columns) + 1))),
            own=next((k for k, row in enumerate(rows) if row[0] == spoken(c.choice)), None),
        )

    def _values(self) -> ReportTable:
        c = self._c
        rows: list[list[Cell]] = [
            [spoken(name), _listed(c.values.get(name, {}), self._day)] for name in c.ranked
        ]
        return ReportTable(
            "values",
            "What was tuned",
            f"On all {self._day}s before {c.split}; rules without parameters need no tuning.",
            ["ordered by", "parameters"],
            rows,
            own=c.ranked.index(c.choice),
        )

    @property
    def notes(self) -> Iterator[str]:
        """Yield notes on the meaning and the limits of the numbers."""
        c = self._c
        yield (
            f"Every {self._day}'s demand is that of the file. Every policy begins with the stock "
            f"that it would have by itself, as it is played for some {self._day}s before; these "
            "are not counted."
        )
        yield (
            f"A 95% interval says how much the saving might differ on other {self._day}s like "
            "these. It says nothing of years unlike them."
        )
        yield (
            "What was sold is taken for what was asked for, where the file does not say that goods "
            "ran out (in_stock, closing_stock)."
        )
        options = "of the options (--set store.stockout_cost=...) or defaults"
        if c.parameters.history.items is not None:
            options = f"of the items file, and where it says nothing {options}"
        yield f"Costs are those {options}: {costs_in_words(c.parameters)}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _times(factor: float) -> str:
    return {0.5: "half", 1.0: "as it does", 2.0: "twice"}.get(factor, f"{factor:g} times")


def _listed(values: Any, period: str) -> str:
    """Return tuned parameters with their values; those that count days are by `period`."""
    return ", ".join(
        f"{spoken(name).replace('days', f'{period}s')} "
        f"{value if isinstance(value, str) else format(value, '.3g')}"
        for name, value in values.items()
    )
