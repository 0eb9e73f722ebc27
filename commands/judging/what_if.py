"""What if costs or limits were others: a run's policy on a changed problem, without training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from agents import run_folder
from agents.config import RunConfig, assign, from_dict
from agents.tuned_file import read_recommendation
from commands.judging.checkpoints import LoadedCheckpoints, print_changed_data
from common.console import screen
from common.errors import InputError, short
from evaluation.comparison import AGENT_NAME, PolicyResult
from training.learners.load import load_agent

RECOMMENDED = "recommended"
"""What the row of a recommended rule is called."""

MOST_VALUES = 50


def load_changed(checkpoint: str, assignments: tuple[str, ...]) -> LoadedCheckpoints:
    """Load a run's agent, or the rule that it recommends, on a problem that is changed.

    Nothing of it belongs into the run's folder, so that none is named.

    Parameters
    ----------
    checkpoint : str
        As ``--checkpoint`` names it.
    assignments : tuple of str
        ``key=value``, of parameters of the problem alone.

    Raises
    ------
    InputError
        If something else is changed, or the agent could not see or act then as it learned to.
    """
    folder, name = run_folder.find(checkpoint)
    own = run_folder.read_config(folder)
    run = _changed(own, assignments)
    advice = read_recommendation(folder)
    if advice is not None and advice.kind == "rule":
        return LoadedCheckpoints(run, {RECOMMENDED: advice.rule(run.parameters)})
    if not _sees_costs(run) and any(_key(a).endswith("_cost") for a in assignments):
        screen.print(
            "the agent does not see what units cost (it would with --items), so it acts as it was "
            "trained",
            soft_wrap=True,
        )
    return LoadedCheckpoints(run, {AGENT_NAME: load_agent(folder, name)[1]})


def load_recommended(checkpoints: tuple[str, ...]) -> LoadedCheckpoints | None:
    """Load the rule that a single run recommends, None where it does not recommend one."""
    if len(checkpoints) != 1 or run_folder.runs_of(checkpoints[0])[0] is not None:
        return None
    folder, _ = run_folder.find(checkpoints[0])
    advice = read_recommendation(folder)
    if advice is None or advice.kind != "rule":
        return None
    run = run_folder.read_config(folder)
    print_changed_data(folder, run)
    root = run_folder.root_of(folder, checkpoints[0])
    return LoadedCheckpoints(run, {advice.name: advice.rule(run.parameters)}, (), (root,), root)


def _changed(own: RunConfig, assignments: tuple[str, ...]) -> RunConfig:
    tree = own.to_dict()
    for assignment in assignments:
        assign(tree, assignment, own.problem, own.settings.algo)
    run = from_dict(tree)
    if run.settings != own.settings or run.hyperparameters != own.hyperparameters:
        raise InputError(
            f"--set {short(assignments[0])}: with --checkpoint only the problem can be changed, "
            "such as store.stockout_cost=8, not how the agent learned"
        )
    try:
        own.parameters.check_stage(run.parameters)
    except InputError as error:
        reason = str(error).removesuffix(" cannot change between the stages of a run")
        raise InputError(
            f"--set: {reason} is part of what the policy was made for; train on the changed problem"
        ) from None
    return run


def _sees_costs(run: RunConfig) -> bool:
    return bool(getattr(run.parameters, "item_values", None))


def _key(assignment: str) -> str:
    return assignment.partition("=")[0]


@dataclass(frozen=True)
class Sweep:
    """A parameter and the values that it is to have in turn."""

    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Sweep":
        """Return what ``--sweep store.stockout_cost=2,4,8`` says.

        Raises
        ------
        InputError
            If it is no key with values.
        """
        key, equals, rest = text.partition("=")
        values = tuple(part.strip() for part in rest.split(",") if part.strip())
        if not key or not equals or not 1 <= len(values) <= MOST_VALUES:
            raise InputError(
                f"--sweep {short(text)}: must be a key and 1 to {MOST_VALUES} values, such as "
                "store.stockout_cost=2,4,8"
            )
        return cls(key.strip(), values)

    def problems(
        self, checkpoint: str, assignments: tuple[str, ...]
    ) -> Iterator[tuple[str, LoadedCheckpoints]]:
        """Yield every value with the policy on the problem that has it."""
        for value in self.values:
            yield value, load_changed(checkpoint, (*assignments, f"{self.key}={value}"))


def sweep_table(sweep: Sweep, found: dict[str, dict[str, PolicyResult]], period: str) -> Table:
    """Return what every policy costs, or earns, at every value."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(sweep.key)
    names = list(next(iter(found.values())))
    in_money = all("cost_per_day" in r.metrics for rs in found.values() for r in rs.values())
    for name in names:
        what = f"cost /{period}" if in_money else "mean return"
        table.add_column(f"{name}\n{what}", justify="right")
        if all("fill_rate" in rs[name].metrics for rs in found.values()):
            table.add_column("fill rate %", justify="right")
    for value, results in found.items():
        cells = []
        for name in names:
            result = results[name]
            own = result.metrics["cost_per_day"] if in_money else result.estimate.mean
            cells.append(f"{own:,.2f}")
            if "fill_rate" in result.metrics:
                cells.append(f"{100 * result.metrics['fill_rate']:.1f}")
        table.add_row(value, *cells)
    return table


def as_json(found: dict[str, dict[str, PolicyResult]]) -> list[dict[str, Any]]:
    """Return the same as JSON values, a row per value."""
    return [
        {
            "value": value,
            "policies": {
                name: {"mean_return": result.estimate.mean, **result.metrics}
                for name, result in results.items()
            },
        }
        for value, results in found.items()
    ]
