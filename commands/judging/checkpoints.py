"""Who is judged: one checkpoint, or several seeds of one recipe, with those that failed."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents import run_files, run_folder
from agents.config import RunConfig
from agents.run_folder import changed_data
from baselines.policy import Policy
from baselines.rules.offset import followed_rule
from common.console import screen
from common.errors import InputError, short
from common.locks import is_folder_locked
from evaluation.comparison import AGENT_NAME
from evaluation.seeds import Seed

NOT_THE_RECIPE = ("seed", "device", "checkpoint", "asked")
"""Settings in which the seeds of one recipe may differ."""


@dataclass(frozen=True)
class LoadedCheckpoints:
    """Agents to judge.

    Attributes
    ----------
    run : RunConfig
        The problem, and what its agents observe.
    policies : dict
        Agents by the name of their row; none where rules are compared alone.
    seeds : tuple of Seed
        All seeds, where several runs were named.
    folders : tuple of Path
        The runs' folders, failed ones too.
    home : Path or None
        Where results are written: the folder of a single run, or that holds those of several.
    """

    run: RunConfig
    policies: dict[str, Policy] = field(default_factory=dict)
    seeds: tuple[Seed, ...] = ()
    folders: tuple[Path, ...] = ()
    home: Path | None = None


def load_checkpoints(checkpoints: tuple[str, ...]) -> LoadedCheckpoints:
    """Load the agents that ``--checkpoint`` names, once or several times, or by their folder.

    Raises
    ------
    InputError
        If a single one cannot be loaded; if of several one does not exist or is no run, two are
        of different recipes or of the same seed, or none can be loaded.
    """
    home = None
    if len(checkpoints) == 1:
        home, checkpoints = run_folder.runs_of(checkpoints[0])
    if home is not None or len(checkpoints) > 1:
        return replace(_load_seeds(checkpoints), home=home)
    from training.learners.load import load_agent  # here: it loads torch

    folder, name = run_folder.find(checkpoints[0])
    run, agent = load_agent(folder, name)
    print_changed_data(folder, run)
    print_rule_followed(agent)
    root = run_folder.root_of(folder, checkpoints[0])
    return LoadedCheckpoints(run, {AGENT_NAME: agent}, (), (root,), root)


def print_changed_data(folder: Path, run: RunConfig) -> None:
    """Say it where a run was trained on other data than its file holds now."""
    changed = changed_data(folder, run)
    if changed is not None:
        screen.print(f"{changed}; the policy knows the former ones", soft_wrap=True)


def manifest_digest(folder: Path) -> str:
    """Return the digest of a run's manifest, without the rules tuned beside it."""
    manifest = run_files.read_manifest(folder)
    kept = sorted(
        f"{name} {digests[-1]}"
        for name, digests in manifest.files.items()
        if Path(name).name != run_files.TUNED  # tuning another rule does not change the policy
    )
    return hashlib.sha256("\n".join([*kept, str(manifest.data)]).encode()).hexdigest()


def print_rule_followed(policy: Policy) -> None:
    """Say it where stores could choose offsets to a rule and follow the rule itself."""
    if (rule := followed_rule(policy)) is not None:
        screen.print(
            "there was no evidence that offsets save anything: the policy is exactly the rule, "
            f"{rule!r}",
            soft_wrap=True,
            markup=False,
        )


def _load_seeds(checkpoints: tuple[str, ...]) -> LoadedCheckpoints:
    from training.learners.load import load_agent  # here: it loads torch

    folders = tuple(_folder_of(checkpoint) for checkpoint in checkpoints)
    configs: dict[str, RunConfig] = {}
    loaded: dict[str, tuple[RunConfig, Policy]] = {}
    seeds = []
    for number, (checkpoint, root) in enumerate(zip(checkpoints, folders, strict=True)):
        name, seed, failed = f"run_{number + 1}", None, None
        try:
            configs[checkpoint] = config = run_folder.read_config(root)
            seed = config.settings.seed
            name = f"seed_{seed}"
            folder, file = run_folder.find(checkpoint)
            failed = training_failure(root)
            if failed is None:
                loaded[name] = load_agent(folder, file)
        except InputError as error:
            failed = str(error)
        seeds.append(Seed(name, str(root), seed, failed))
    _check_same_recipe(configs)
    _check_seeds(seeds)
    if not loaded:
        raise InputError(f"none of the {len(seeds)} seeds has a policy; {seeds[0].failed}")
    run, _ = next(iter(loaded.values()))
    return LoadedCheckpoints(
        run, {name: agent for name, (_, agent) in loaded.items()}, tuple(seeds), folders
    )


def _folder_of(checkpoint: str) -> Path:
    """Return the run folder of one of several checkpoints, which may have failed."""
    if checkpoint == run_folder.NEWEST:
        raise InputError("--checkpoint: name every run where there are several")
    path = Path(checkpoint)
    if not path.exists():
        raise InputError(f"--checkpoint {checkpoint}: no such file or folder")
    path = path.parent if path.is_file() else path
    if not (path / run_files.CONFIG).exists():
        raise InputError(
            f"--checkpoint {checkpoint}: not a run folder, it holds no {run_files.CONFIG}"
        )
    return path


def training_failure(root: Path) -> str | None:
    """Return why the training of a run did not reach its end, or None if it did."""
    failure = _failure(root)
    if failure is not None and is_folder_locked(root):
        return f"{root} is still being trained; wait for its end"
    return failure


def _failure(root: Path) -> str | None:
    """Return what a run that nobody trains any more says of its training."""
    folder = run_folder.last_phase(root)
    facts = run_folder.read_versions(folder)
    if isinstance(facts.get("failed"), str):
        return short(facts["failed"], 200).strip("'\"")
    phases = run_folder.read_config(root).settings.phases
    missing = len(phases) - len(run_folder.phases(root))
    if missing > 0:
        return f"training broke off: {missing} of its phases left no model"
    if not run_folder.is_finished(folder):
        steps = facts.get("steps")
        at = f" at step {steps:,}" if isinstance(steps, int) else ""
        return f"training broke off{at}; train.py --resume {root} ends it"
    return None


def short_of_its_rule(root: Path) -> str | None:
    """Return that a run never reached the rule it began with, None if it did or began with none."""
    facts = run_folder.read_versions(run_folder.last_phase(root)).get("starting_rule")
    if not isinstance(facts, dict) or facts.get("reaches_rule") is not False:
        return None
    rule, less = short(str(facts.get("rule"))).strip("'\""), facts.get("kept_minus_rule")
    by = f", and earns {-less:,.4g} less on validation traces" if isinstance(less, float) else ""
    return f"no generation reached the rule it began with, {rule}{by}"


def rules_not_reached(loaded: LoadedCheckpoints) -> tuple[str, ...]:
    """Return a note for every agent that never reached the rule it began with."""
    if not loaded.folders:  # a rule that was recommended
        return ()
    names = [seed.name for seed in loaded.seeds] or list(loaded.policies)
    pairs = zip(names, loaded.folders, strict=True)
    lines = ((name, short_of_its_rule(home)) for name, home in pairs)
    return tuple(f"{name}: {line}; use the rule" for name, line in lines if line is not None)


def _check_seeds(seeds: list[Seed]) -> None:
    seen: dict[int, str] = {}
    for one in seeds:
        if one.seed is not None and one.seed in seen:
            raise InputError(f"{seen[one.seed]} and {one.run} have the same seed, {one.seed}")
        if one.seed is not None:
            seen[one.seed] = one.run


def _check_same_recipe(runs: Mapping[str, RunConfig]) -> None:
    """Make sure that runs differ in nothing but their seed."""
    (first, own), *others = runs.items()
    ours = _recipe(own)
    for name, run in others:
        theirs = _recipe(run)
        for key in dict.fromkeys([*ours, *theirs]):
            if ours.get(key) != theirs.get(key):
                raise InputError(
                    f"{first} and {name} are not seeds of one recipe: {key} = "
                    f"{short(ours.get(key))} there, {short(theirs.get(key))} here"
                )


def _recipe(run: RunConfig) -> dict[str, Any]:
    """Return what makes a recipe by dotted name, as it was asked for."""
    values = dict(_flat(run.to_dict())) | dict(run.settings.asked)
    return {
        name: value for name, value in values.items() if name.split(".")[0] not in NOT_THE_RECIPE
    }


def _flat(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value
