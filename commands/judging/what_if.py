"""What if costs or limits were others: a run's policy on a changed problem, without training."""

import numpy as np

from agents import run_folder
from agents.config import RunConfig, assign, from_dict
from agents.tuned_file import recommended_rule
from commands.judging.checkpoints import LoadedCheckpoints, print_changed_data
from common.console import screen
from common.errors import InputError, short
from demand.history import StoreHistory
from evaluation.comparison import AGENT_NAME, RECOMMENDED


def load_changed(
    checkpoint: str, assignments: tuple[str, ...], *, notes: bool = True
) -> LoadedCheckpoints:
    """Load a run's agent, or the rule that it recommends, on a problem that is changed.

    Nothing of it belongs into the run's folder, so that none is named.

    Parameters
    ----------
    checkpoint : str
        As ``--checkpoint`` names it.
    assignments : tuple of str
        ``key=value``, of parameters of the problem alone.
    notes : bool
        Whether to say which changes make no difference to the policy, or to anything.

    Raises
    ------
    InputError
        If something else is changed, or the agent could not see or act then as it learned to.
    """
    folder, name = run_folder.find(checkpoint)
    own = run_folder.read_config(folder)
    run = _changed(own, assignments)
    advice = recommended_rule(folder)
    if notes:
        _print_overridden(own, run, assignments)
    if advice is not None:
        return LoadedCheckpoints(run, {RECOMMENDED: advice.rule(own.parameters)})
    if notes and not _sees_costs(run) and any(_key(a).endswith("_cost") for a in assignments):
        of_a_file = isinstance(getattr(run.parameters, "history", None), StoreHistory)
        would = " (it would with --items)" if of_a_file else ""
        screen.print(
            f"the agent does not see what units cost{would}, so it acts as it was trained",
            soft_wrap=True,
        )
    from training.learners.load import load_agent  # here: it loads torch

    return LoadedCheckpoints(run, {AGENT_NAME: load_agent(folder, name)[1]})


def load_recommended(checkpoints: tuple[str, ...]) -> LoadedCheckpoints | None:
    """Load the rule that a single run recommends, None where it does not recommend one."""
    if len(checkpoints) != 1 or run_folder.runs_of(checkpoints[0])[0] is not None:
        return None
    folder, _ = run_folder.find(checkpoints[0])
    advice = recommended_rule(folder)
    if advice is None:
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


def _print_overridden(own: RunConfig, run: RunConfig, assignments: tuple[str, ...]) -> None:
    """Print which changed defaults no item takes, as the items file gives all of them their own."""
    before, after = (getattr(one.parameters, "item_values", {}) for one in (own, run))
    for name in sorted({_key(a).removeprefix("store.") for a in assignments} & before.keys()):
        if np.array_equal(before[name], after[name]):
            screen.print(
                f"store.{name} changes nothing: all items have one of their own in "
                f"{own.parameters.history.items.name}",
                soft_wrap=True,
            )


def _sees_costs(run: RunConfig) -> bool:
    return bool(getattr(run.parameters, "item_values", None))


def _key(assignment: str) -> str:
    return assignment.partition("=")[0]
