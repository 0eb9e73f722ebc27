"""Compare an agent with the optimum and tuned baselines: ``python evaluate.py --checkpoint``."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from commands.command import heading, plugin_options
from commands.options import (
    NEWEST,
    EpisodeCount,
    InputFile,
    OutputFile,
    SettingsCommand,
    file_options,
    worker_options,
)
from common import console
from common.errors import InputError

SCENARIOS = "normal, spike, strong_seasonality, supplier_delay, high_variability, scarce"
MOST_TEXTBOOK_EPISODES = 1_000_000
"""Most episodes of an instance, which are held in memory at once."""
SWEPT = ("checkpoints", "assignments", "env", "plugins")
"""Options that go with --sweep: whose policy it is, further changes, and users' own code."""


@click.command(cls=SettingsCommand)
@heading("Policies")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="A run folder, or the .zip of a model in one; without a value: the newest run under "
    "runs/. Repeated: the seeds of one recipe.",
)
@click.option("--stochastic", is_flag=True, help="Sample the agent's actions, not its best.")
@click.option(
    "--baselines",
    help="Names, separated by commas, or default, tuned, all or none [default; with --report also "
    "tuned ones].",
)
@click.option(
    "--actual-orders",
    type=InputFile(),
    metavar="FILE",
    help="With demand from a file: your own past orders of these days, in a file of the same "
    "shape, or the long demand file itself with a column orders; played as one more policy. With "
    "--replay it needs --state.",
)
@heading("Problem")
@click.option("--problem", help="Without --checkpoint: baselines only, on this problem [cash].")
@click.option("--stores", type=int, metavar="N", help="The supply chain, with this many stores.")
@click.option("--scenario", metavar="NAME", help=f"In the supply chain: {SCENARIOS}.")
@plugin_options
@click.option("--config", type=InputFile(), help="Without --checkpoint: a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for train.py.")
@file_options
@heading("Run")
@click.option("--episodes", type=EpisodeCount(), default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@worker_options
@click.option(
    "--sweep",
    metavar="KEY=V1,V2,...",
    help="With --checkpoint: play the run's policy, without further training, with several values "
    "of a parameter; also with --replay.",
)
@click.option(
    "--replay",
    is_flag=True,
    help="With demand from a file: play the evaluation period once, day after day, with stock "
    "carried over, and report money per year.",
)
@click.option(
    "--state",
    type=InputFile(),
    metavar="FILE",
    help="With --replay: stock on its first morning, as for decide.py [each policy's own].",
)
@click.option("--textbook", is_flag=True, help="Instances with published optima: NAMES, or all.")
@heading("Output")
@click.option("--report", is_flag=True, help="Write report.html, pictures and CSV into the run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--csv", "csv_file", type=OutputFile(), help="Also write the table to this file.")
@click.option("--latex", type=OutputFile(), help="Also write the table as LaTeX (booktabs).")
@click.option(
    "--render",
    type=click.IntRange(0, 1000),
    default=0,
    metavar="N",
    help="Print the first N episodes step by step: the agent's, or the first rule's without one.",
)
@click.option(
    "--reports",
    type=OutputFile(),
    metavar="FILE",
    help="Write that policy's reports of every step, agent and episode to this file, as CSV.",
)
@click.option(
    "--episodes-file",
    type=OutputFile(),
    metavar="FILE",
    help="Write the totals of every episode of every policy to this file, as CSV.",
)
@click.option(
    "--hub-card",
    is_flag=True,
    help="Begin the run's README.md with the Hugging Face Hub's metadata; nothing is uploaded.",
)
@click.argument("names", nargs=-1)
def main(
    scenario: str | None,
    baselines: str | None,
    actual_orders: Path | None,
    as_json: bool,
    csv_file: Path | None,
    latex: Path | None,
    render: int,
    reports: Path | None,
    episodes_file: Path | None,
    report: bool,
    hub_card: bool,
    episodes: int,
    seed: int,
    stochastic: bool,
    workers: int,
    cluster: str | None,
    textbook: bool,
    sweep: str | None,
    replay: bool,
    state: Path | None,
    names: tuple[str, ...],
    **given: Any,
) -> None:
    """Play all policies on the same fresh traces and print the return of each, with its interval.

    With --textbook: exit status 1 if a solver or the simulator disagrees with published figures.
    """
    files = {"reports": reports, "episodes": episodes_file, "table": csv_file}
    files["latex"] = latex
    if names or textbook:
        others = (*given.values(), scenario, baselines, stochastic, actual_orders, render)
        others += (report, hub_card, workers > 1, cluster, replay, state, sweep)
        if names and not textbook:
            raise InputError(f"{names[0]!r}: names are those of instances, after --textbook")
        if any(others) or any(files.values()):
            raise InputError("--textbook goes with --episodes, --seed and --json alone")
        _textbook(names, episodes=episodes, seed=seed, as_json=as_json)
    refused = _by_option(csv=csv_file, latex=latex, reports=reports, episodes_file=episodes_file)
    refused |= _by_option(render=render, stochastic=stochastic, hub_card=hub_card)
    _check_replay(replay, state, refused)
    _check_stochastic(stochastic, given["checkpoints"])
    if sweep is not None:
        problem = {key: value for key, value in given.items() if key not in SWEPT}
        refused |= _by_option(**problem, scenario=scenario, report=report, cluster=cluster)
        refused |= _by_option(actual_orders=actual_orders)
        _check_alone("sweep", refused | {"workers": workers > 1})
        from commands.judging import sweep as sweeps  # here: --help answers at once

        rules = baselines or "none"
        in_episodes = sweeps.in_episodes(rules, episodes=episodes, seed=seed)
        judge = sweeps.in_replay(rules, state) if replay else in_episodes
        sweeps.print_sweep(sweep, given["checkpoints"], given["assignments"], judge, as_json)
        return
    from commands.evaluate import (
        checkpoints_from_options,
        evaluate_policies,
        print_demand_summary,
        write_evaluation,
    )
    from common.shards import Workers
    from evaluation.step_by_step import Played, print_steps, write_files

    loaded = checkpoints_from_options(scenario, recommended=replay or report, **given)
    if not (loaded.folders or as_json):
        print_demand_summary(loaded.run)
    _check_outputs(as_json and render, report, hub_card, folders=loaded.folders)
    start = {"state": state, "actual_orders": actual_orders}
    replayed = (lambda: _replay(loaded, baselines, as_json=as_json, **start)) if replay else None
    if _is_all(loaded, replayed, report=report):
        return
    evaluation = evaluate_policies(
        loaded,
        scenario,
        baselines=_baselines(baselines, report=report),
        episodes=episodes,
        seed=seed,
        stochastic=stochastic,
        actual_orders=actual_orders,
        report=report,
        workers=Workers(workers, cluster),
        hold=episodes_file is not None,
    )
    run = loaded.run
    what = (run.problem, run.parameters, run.settings.observation.step, evaluation.policies)
    played = Played(*what, episodes, seed, stochastic)
    print_steps(played, render)
    if as_json:
        print(evaluation.results.text())
    else:
        evaluation.results.show()
    if loaded.home is not None:
        write_evaluation(loaded.home, evaluation.results, scenario, hub=hub_card)
    write_files(files, played, evaluation.results)
    if report:
        from commands.report import write_report

        page = write_report(loaded, evaluation, scenario, stochastic=stochastic)
        console.screen.print(f"report: {page}", soft_wrap=True)


def _by_option(**values: Any) -> dict[str, Any]:
    """Return values by the names of their options."""
    return {name.replace("_", "-"): value for name, value in values.items()}


def _check_replay(replay: bool, state: Path | None, others: dict[str, Any]) -> None:
    """Refuse what does not go with a replay."""
    if state is not None and not replay:
        raise InputError("--state: is what a --replay begins with; add --replay")
    if replay:
        _check_alone("replay", others)


def _check_stochastic(stochastic: bool, checkpoints: tuple[str, ...]) -> None:
    if stochastic and not checkpoints:
        raise InputError("--stochastic: samples an agent's actions; name its run with --checkpoint")


def _check_alone(option: str, others: dict[str, Any]) -> None:
    """Refuse options that do not go with another one."""
    other = next((name for name, value in others.items() if value), None)
    if other is not None:
        raise InputError(f"--{option} does not go with --{other}; leave one out")


def _is_all(loaded: Any, replay: Callable[[], None] | None, *, report: bool) -> bool:
    """Do what was asked besides a comparison of episodes; return whether that was all."""
    if replay is not None:
        replay()
    return (report and _report_recommendation(loaded)) or (replay is not None and not report)


def _replay(loaded: Any, baselines: str | None, *, as_json: bool, **start: Path | None) -> None:
    """Play the evaluation period once, and print the results."""
    from commands.judging.replayed import replay_loaded  # here: --help answers at once

    played = replay_loaded(loaded, baselines=baselines or "default", **start)
    if as_json:
        print(json.dumps(played.to_json(), indent=2))
        return
    plain = console.PlainConsole()
    plain.print(played.sentence, soft_wrap=True, highlight=False)
    plain.print()
    plain.print(played.table(plain.width))


def _report_recommendation(loaded: Any) -> bool:
    """Write the report of a run's recommendation; return whether it recommends a rule."""
    from agents.tuned_file import read_recommendation
    from commands.recommendation.report import write_report_again

    folder = loaded.folders[0]
    advice = read_recommendation(folder)
    if advice is None:
        return False
    page = write_report_again(loaded.run, folder, advice)
    console.screen.print(f"report: {page}", soft_wrap=True)
    return bool(advice.kind == "rule")


def _baselines(asked: str | None, *, report: bool) -> str:
    """Return the baselines to play, including tuned ones where a report shows them."""
    usual = "default,tuned" if report else "default"
    return usual if asked is None else asked


def _check_outputs(
    both: bool | int, report: bool, hub_card: bool, *, folders: tuple[Path, ...]
) -> None:
    """Refuse outputs that do not go together, or have no place."""
    if both:
        raise InputError("--render: prints steps, and --json nothing but JSON; leave one out")
    if (report or hub_card) and not folders:
        option = "--report" if report else "--hub-card"
        raise InputError(
            f"{option} is written into a run folder; name one with --checkpoint, unchanged"
        )


def _textbook(names: tuple[str, ...], **options: Any) -> NoReturn:
    """Check instances with published optima, and leave with the exit status."""
    from commands.textbook import check_all  # here: --help and a misspelt option answer at once

    if options["episodes"] > MOST_TEXTBOOK_EPISODES:
        most = f"at most {MOST_TEXTBOOK_EPISODES:,} of an instance"
        raise InputError(f"--episodes {options['episodes']}: {most}")
    sys.exit(not check_all(names, **options))


if __name__ == "__main__":
    console.run(main)
