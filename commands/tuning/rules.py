"""Rules tuned one after the other, and the table of what was found."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Any

from rich.table import Table

from agents.config import RunConfig
from agents.tuned_file import TunedFile, json_values
from baselines.registry import baselines_of
from baselines.tuned_rules import TunedRule, tune_rule
from baselines.tuning import Tuned
from common.console import PlainConsole
from common.errors import InputError, choose
from common.shards import HERE, Report, Workers, iterate_shards, shard_progress


@dataclass(frozen=True)
class TuningResult:
    """A rule that was tuned, or was known; `seconds` is None then."""

    name: str
    tuned: Tuned
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the rule as JSON values; ``seconds`` is null where it came from a file."""
        return {
            "parameters": json_values(self.tuned.values),
            "rule": repr(self.tuned.policy),
            "mean": self.tuned.score,
            "se": self.tuned.se,
            "candidates": self.tuned.candidates,
            "played": self.tuned.played,
            "episodes": self.tuned.episodes,
            "seconds": self.seconds,
        }


def select_rules(run: RunConfig, names: tuple[str, ...]) -> dict[str, TunedRule]:
    """Return the rules to tune: those named, with or without ``tuned_``, or groups of them.

    ``all`` are those that order what is on offer, ``free`` those that order any quantity.

    Raises
    ------
    InputError
        If a name is unknown, or that of a rule with nothing to tune.
    """
    known = baselines_of(run.settings.problem, run.parameters, run.measure)
    rules = {name: one for name, one in known.items() if isinstance(one, TunedRule)}
    groups = {
        "all": [name for name, one in rules.items() if not one.kind.any_quantity],
        "free": [name for name, one in rules.items() if one.kind.any_quantity],
    }
    short = {name.removeprefix("tuned_"): name for name in rules}
    wanted: set[str] = set()
    for name in names:
        if name in known and name not in rules and name not in short:
            raise InputError(f"--baseline {name}: has no parameters to tune; leave it out")
        if name not in rules and name not in groups:
            choose("baseline", name, [*short, *groups])
        wanted.update(groups.get(name) or [short.get(name, name)])
    return {name: one for name, one in rules.items() if name in wanted}


def tune_rules(
    run: RunConfig, rules: dict[str, TunedRule], file: TunedFile, workers: Workers = HERE
) -> Iterator[TuningResult]:
    """Tune the rules that the file does not know, and yield each as it is done."""
    known = {name: file.recall(run.problem, run.parameters, name, r) for name, r in rules.items()}
    yield from (TuningResult(name, tuned, None) for name, tuned in known.items() if tuned)
    unknown = [name for name, tuned in known.items() if tuned is None]
    with shard_progress(len(unknown), "rules") as report:
        shared = run, file.seed
        with closing(iterate_shards(_tune_one, shared, unknown, workers, report=report)) as done:
            for outcome in done:
                name = unknown[outcome.index]
                if outcome.value is None:
                    raise outcome.error or InputError(f"{name}: was not tuned")
                found, seconds = outcome.value
                policy = rules[name].family(run.parameters).make(**found["values"])
                tuned = Tuned(policy, **found)
                file.record(run.problem, run.parameters, name, rules[name], tuned)
                report(outcome.index, 1.0)
                yield TuningResult(name, tuned, seconds)


def _tune_one(
    shared: tuple[RunConfig, int], name: str, report: Report
) -> tuple[dict[str, Any], float]:
    """Tune one rule; return all of the result but the policy, which is made of the values."""
    run, seed = shared
    rule = baselines_of(run.settings.problem, run.parameters, run.measure)[name]
    assert isinstance(rule, TunedRule)  # noqa: S101  (`select_rules` takes no others)
    begin = perf_counter()
    tuned = tune_rule(run.problem, run.parameters, name, rule, seed=seed, progress=report)
    found = {field.name: getattr(tuned, field.name) for field in fields(tuned)}
    del found["policy"]
    return found, perf_counter() - begin


def table(run: RunConfig, lines: list[TuningResult]) -> Table:
    """Return the rules with what they earn on the traces that they were tuned on."""
    episodes = lines[0].tuned.episodes
    shown = Table(
        title=f"{run.settings.problem}: {run.measure}, {episodes:,} tuning episodes",
        title_justify="left",
        box=None,
        pad_edge=False,
        caption_justify="left",
        caption="Mean: of the best candidate on the traces it was chosen on, a little optimistic; "
        "± its standard error.",
    )
    for heading in ("rule", "mean", "candidates", "episodes/s"):
        shown.add_column(heading, justify="left" if heading == "rule" else "right", no_wrap=True)
    for line in lines:
        t = line.tuned
        speed = "known" if line.seconds is None else f"{t.played / line.seconds:,.0f}"
        shown.add_row(
            line.name,
            f"{t.score:,.3f} ± {t.se:.3f}",
            f"{t.candidates:,}",
            speed,
        )
    return shown


def tune_named(
    run: RunConfig,
    names: tuple[str, ...],
    file: TunedFile,
    workers: Workers = HERE,
    *,
    as_json: bool,
) -> None:
    """Tune the rules that are named and print them, after Ctrl-C those that are done."""
    rules = select_rules(run, names)
    lines: list[TuningResult] = []
    try:
        lines.extend(tune_rules(run, rules, file, workers))
        lines.sort(key=lambda line: list(rules).index(line.name))
    except KeyboardInterrupt:
        _show(run, lines, as_json=as_json)
        raise
    _show(run, lines, as_json=as_json)


def _show(run: RunConfig, lines: list[TuningResult], *, as_json: bool) -> None:
    if as_json:
        found = {line.name: line.to_json() for line in lines}
        total = {"problem": run.settings.problem, "measure": run.measure, "rules": found}
        print(json.dumps(total, indent=2, allow_nan=False))
    elif lines:
        out = PlainConsole()
        out.print(table(run, lines))
        for line in lines:
            out.print(f"{line.name}: {line.tuned.policy!r}", soft_wrap=True)
