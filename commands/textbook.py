"""Textbook instances: published optima beside those of the solvers and of simulation."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rich.table import Table

from agents.config import CONFIGS, RunConfig, read_yaml, resolve
from baselines.average_cost import Solved, lost_sales_store
from baselines.average_perishable import (
    QUICK,
    bounded_optimum,
    perishable_store,
    two_day_orders,
)
from baselines.policy import Policy
from baselines.references import known_costs
from baselines.rollout import rollout
from baselines.rules.perishable import SolvedPerishable
from baselines.rules.reference import reference_team
from baselines.serial_chain import serial_chain
from baselines.solvers.store.lost_sales_size import is_quick
from common.console import PlainConsole, screen
from common.errors import FrozenModel, InputError, choose, validated
from envs.batch import Trace
from evaluation.statistics import Estimate, plain_mean

FOLDER = CONFIGS / "textbook"
STANDARD_ERRORS = 3.0
"""How far a simulated mean may be from an exact one; by chance one in 370 is farther."""
USUAL_DAYS = 1000
"""Days of an episode that count; shorter ones are repeated up to as many days in all."""
MOST_EPISODES = 500_000


class Published(FrozenModel):
    """What a textbook or paper says of an instance.

    `cost` is money per day, printed with so many `decimals`; `policy` is the best policy as the
    solver names it, where one was published. Of stores whose goods keep two days `orders` are the
    best orders by cost at a `discount`: a row for 0, 1, ... units delivered this morning, a column
    for 0, 1, ... units delivered the day before.
    """

    source: Annotated[str, Field(min_length=1)]
    cost: Annotated[float, Field(gt=0)] | None = None
    decimals: Annotated[int, Field(ge=0, le=10)] = 4
    policy: str | None = None
    discount: Annotated[float, Field(gt=0, le=1)] = 1.0
    orders: tuple[tuple[int, ...], ...] | None = None

    def agrees(self, cost: float) -> bool:
        """Whether `cost` may have been printed as the published one, if one was."""
        return self.cost is None or abs(cost - self.cost) <= 0.5 * 10.0**-self.decimals + 1e-6


@dataclass(frozen=True)
class Played:
    """A policy with a known cost, and what it cost in the simulator [money/day].

    Where the states are too many to solve, `least` is a lower bound of any policy's cost, and
    `exact` an upper bound of this one's.
    """

    name: str
    exact: float
    simulated: Estimate
    least: float | None = None

    @property
    def errors(self) -> float:
        """Distance of the simulated mean from what is known [standard errors]."""
        least = self.exact if self.least is None else self.least
        distance = self.simulated.mean - min(max(self.simulated.mean, least), self.exact)
        return (
            distance / self.simulated.se
            if self.simulated.se > 0
            else math.copysign(math.inf if abs(distance) > 1e-9 else 0.0, distance)
        )

    @property
    def agrees(self) -> bool:
        """Whether they are within `STANDARD_ERRORS`."""
        return abs(self.errors) <= STANDARD_ERRORS


@dataclass(frozen=True)
class Checked:
    """An instance with all that was found; `played` begins with the best policy."""

    name: str
    published: Published
    played: tuple[Played, ...]
    orders_agree: bool = True

    @property
    def optimum_agrees(self) -> bool:
        """Whether the solver finds what was published, or its bounds hold it."""
        best, published = self.played[0], self.published
        if best.least is not None:
            return published.cost is None or best.least <= published.cost <= best.exact
        same = published.agrees(best.exact) and published.policy in (None, best.name)
        return same and self.orders_agree

    @property
    def agrees(self) -> bool:
        """Whether the published figure, the solver and the simulator agree."""
        return self.optimum_agrees and all(played.agrees for played in self.played)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "source": self.published.source,
            "published": self.published.cost,
            "solved": self.played[0].exact,
            "solved_agrees": self.optimum_agrees,
            "policies": {
                p.name: {
                    "exact": p.exact if p.least is None else None,
                    "bounds": None if p.least is None else [p.least, p.exact],
                    "cost": p.simulated.mean,
                    "cost_se": p.simulated.se,
                    "cost_ci95": list(p.simulated.ci95),
                    "agrees": p.agrees,
                }
                for p in self.played
            },
            "agrees": self.agrees,
        }


def names() -> list[str]:
    """Return the names of all instances."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """Return the file of an instance, or refuse its name."""
    return FOLDER / f"{choose('textbook instance', name, names())}.yaml"


def load(name: str) -> tuple[RunConfig, Published]:
    """Return an instance as a run, and what was published of it.

    Raises
    ------
    InputError
        If there is no such instance, or its file is wrong.
    """
    path = path_of(name)
    block = read_yaml(path).get("textbook")
    if not isinstance(block, dict):
        raise InputError(f"{path}: has no block textbook")
    return resolve({}, config=path), validated(Published, block, "textbook")


def is_large(name: str) -> bool:
    """Whether an instance would take minutes to solve."""
    parameters = load(name)[0].parameters
    if (sold := lost_sales_store(parameters)) is not None:
        return not is_quick(sold)
    store = perishable_store(parameters)
    return store is not None and store.states > QUICK


def traces(run: RunConfig, episodes: int, seed: int) -> Trace:
    """Return fresh traces of an instance: more of them where episodes are short."""
    days = run.parameters.horizon - run.parameters.warmup_days
    count = max(episodes, min(-(-USUAL_DAYS // days) * episodes, MOST_EPISODES))
    return run.problem.traces(run.parameters, "evaluation", seed, count)


def cost_per_day(run: RunConfig, policy: Policy, trace: Trace, total: str = "return") -> Estimate:
    """Return what a policy spends on a day that counts; episodes are independent.

    Parameters
    ----------
    run : RunConfig
        An instance: one store, and money as the objective.
    policy : Policy
        Of all agents.
    trace : dict
        As from `traces`.
    total : str
        Whose costs: those of the store, or of all agents (``"system_return"``).
    """
    days = run.parameters.horizon - run.parameters.warmup_days
    totals = rollout(run.problem, run.parameters, policy, trace)
    return plain_mean(-totals[total] / days)


def check(name: str, *, episodes: int, seed: int, bounded: bool = False) -> Checked:
    """Solve an instance and play its policies, all on the same traces; or bound it only."""
    run, published = load(name)
    trace = traces(run, episodes, seed)
    near = bounded_optimum(run.parameters) if bounded else None
    if near is not None:
        cost = cost_per_day(run, reference_team(store=SolvedPerishable(near)), trace)
        played_near = Played("near the optimum", near.cost.upper, cost, near.cost.lower)
        return Checked(name, published, (played_near,))

    serial = serial_chain(run.parameters)
    if serial is not None:
        solved = serial.solved()
        cost = cost_per_day(run, serial.team(*solved.levels), trace, "system_return")
        levels = ", ".join(f"{level:g}" for level in solved.levels)
        best = Played(f"echelon base-stock S={levels}", solved.cost, cost)
        return Checked(name, published, (best,))

    known = known_costs(run.parameters, quick=bounded)
    least = None if known.is_optimum else known.least

    def play(solved: Solved) -> Played:
        policy = reference_team(store=solved.rule)
        return Played(solved.name, solved.cost, cost_per_day(run, policy, trace), least)

    played = tuple(play(s) for s in known.rules)
    return Checked(name, published, played, _orders_agree(run, published))


def _orders_agree(run: RunConfig, published: Published) -> bool:
    """Whether the best orders are those of a published table, cell by cell, if there is one."""
    if published.orders is None:
        return True
    found = two_day_orders(run.parameters, published.discount, len(published.orders))
    return found == published.orders


def check_all(wanted: Sequence[str], *, episodes: int, seed: int, as_json: bool) -> bool:
    """Check instances and print what was found; return whether all agree.

    Without any named these are all, but those that take minutes each are bounded, not solved.
    """
    found = []
    for name in wanted:
        choose("textbook instance", name, names())
    bounded = [] if wanted else [name for name in names() if is_large(name)]
    for name in wanted or names():
        with screen.status(name):
            found.append(check(name, episodes=episodes, seed=seed, bounded=name in bounded))
    agree = all(one.agrees for one in found)
    if as_json:
        values = {
            "episodes": episodes,
            "seed": seed,
            "instances": {one.name: one.to_json() for one in found},
            "bounded": bounded,
            "agrees": agree,
        }
        print(json.dumps(values, indent=2, allow_nan=False))
    else:
        PlainConsole().print(table(found))
        if bounded:
            named = ", ".join(bounded)
            PlainConsole().print(
                f"Bounded, as solving takes minutes each; name one to solve it: {named}"
            )
        for one in found:
            if not one.agrees:
                PlainConsole().print(f"{one.name}: does not agree", style="bold")
    return agree


def table(found: Sequence[Checked]) -> Table:
    """Return a table of instances: a line for each, and below it one for each policy played."""
    shown = Table(
        box=None,
        pad_edge=False,
        caption_justify="left",
        caption=(
            "Cost per day. Exact: published (instance), solved (policy), or bounds: of any policy "
            "from below, of this one from above. Simulated: 95% interval."
        ),
    )
    for heading in ("instance, policy", "exact", "simulated", "agrees"):
        shown.add_column(heading, justify="left" if heading.startswith("instance") else "right")
    for one in found:
        published = one.published
        cost = "" if published.cost is None else f"{published.cost:.{published.decimals}f}"
        shown.add_row(one.name, cost, "", "yes" if one.optimum_agrees else "NO")
        for p in one.played:
            cost = f"{p.simulated.mean:.4f} ± {p.simulated.half_width:.4f}"
            verdict = "yes" if p.agrees else f"NO, {p.errors:+.1f} se"
            known = f"{p.exact:.4f}" if p.least is None else f"{p.least:.4f} to {p.exact:.4f}"
            shown.add_row(f"  {p.name}", known, cost, verdict)
    return shown
