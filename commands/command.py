"""What all commands share: help pages under headings, and users' own code."""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import click

from common.errors import InputError
from common.plugins import import_module, load_installed

Command = Callable[..., Any]


class GroupedCommand(click.Command):
    """A command whose help page lists its options under headings, see `heading`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading and the options below it; ``--help`` is below the last one."""
        title = "Options"
        lines: list[tuple[str, tuple[str, str]]] = []
        for option in self.get_params(ctx):
            title = vars(option).get("heading", title)
            if isinstance(option, click.Option) and (record := option.get_help_record(ctx)):
                lines.append((title, record))
        for title, group in groupby(lines, key=lambda line: line[0]):
            with formatter.section(title):
                formatter.write_dl([record for _, record in group])


def heading(title: str) -> Callable[[Command], Command]:
    """Set a heading over the options below, down to the next heading."""

    def label(command: Command) -> Command:
        for option in command.__click_params__:  # type: ignore[attr-defined]  # click's own list
            vars(option).setdefault("heading", title)
        return command

    return label


class PluginCommand(GroupedCommand):
    """A command to which users' own code is known before it runs."""

    def invoke(self, ctx: click.Context) -> Any:
        """Import what `plugin_options` name, then run the command."""
        plugins: tuple[str, ...] = ctx.params.pop("plugins", ())
        env: str | None = ctx.params.pop("env", None)
        named = [*(f"--plugin {name}" for name in plugins), *([f"--env {env}"] if env else [])]
        ctx.meta["own_code"] = named
        if named and (ctx.params.get("workers", 1) != 1 or ctx.params.get("cluster")):
            raise InputError(f"{named[0]}: is known to one process alone; leave --workers out")
        load_installed()
        for name in plugins:
            import_module("--plugin", name)
        if env is not None:
            from envs.external.registration import register_environment

            if ctx.params.get("problem") is not None:
                raise InputError("--problem and --env: leave one out")
            known = register_environment(env).name
            if not any(ctx.params.get(name) for name in ("checkpoint", "checkpoints", "resumed")):
                ctx.params["problem"] = known
        return super().invoke(ctx)


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE",
    help="A module that registers rules, algorithms or problems; repeatable.",
)


def plugin_options(command: Command) -> Command:
    """Add the options that name users' own code."""
    env = click.option(
        "--env",
        metavar="MODULE:CLASS",
        help="A Gymnasium environment of your own, or a registered one such as CartPole-v1.",
    )
    return env(plugin_option(command))
