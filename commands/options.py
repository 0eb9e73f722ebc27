"""Options that several commands have."""

import importlib.util
import math
import os
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from commands.command import PluginCommand, heading
from common.errors import InputError, short

Command = Callable[..., Any]

NEWEST = "newest"
"""What ``--checkpoint`` alone means."""


class InputFile(click.ParamType[Path]):
    """An input file."""

    name = "file"

    def convert(self, value: Any, param: Any, _: Any) -> Path:
        """Return the path, which must lead to a file."""
        path, option = Path(value), param.opts[0]
        if not str(value).strip():
            raise InputError(f"{option}: is empty; name a file")
        if path.is_dir():
            raise InputError(f"{option} {path}: is a folder; name a file")
        if not path.exists():
            raise InputError(f"{option} {path}: no such file")
        return path


class OutputFile(click.ParamType[Path]):
    """An output file, checked to be writable before any work is done."""

    name = "file"

    def convert(self, value: Any, param: Any, _: Any) -> Path:
        """Return the path, which must be a regular file or not exist."""
        path, option = Path(value), param.opts[0]
        if not str(value).strip():
            raise InputError(f"{option}: is empty; name a file")
        if path.is_dir():
            raise InputError(f"{option} {path}: is a folder; name a file")
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise InputError(f"{option} {path}: is no regular file; name one, or a new file")
        if not path.parent.is_dir():
            raise InputError(f"{option} {path}: there is no folder {path.parent}; make it first")
        return path


class WholeNumber(click.ParamType[int]):
    """A whole number, which may be written as ``1e6``."""

    name = "integer"

    def convert(self, value: Any, param: Any, _: Any) -> int:
        """Return the number."""
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        given = f"{param.opts[0]} {short(str(value))}"
        if number.is_finite() and not -MOST < number < MOST:
            raise InputError(f"{given}: must have at most {MOST.adjusted()} digits")
        if not number.is_finite() or number != (whole := int(number)):
            raise InputError(f"{given}: must be a whole number, such as 1000 or 1e5")
        return whole


class Limit(click.ParamType[float]):
    """A limit, at least 0: NaN or infinity would limit nothing."""

    name = "number"

    def convert(self, value: Any, param: Any, _: Any) -> float:
        """Return the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise InputError(
                f"{param.opts[0]} {short(str(value))}: must be a finite number from 0 on, such as "
                "100"
            )
        return number


MOST = Decimal(10) ** 18
_OTHER_NAMES = {"eval_freq": "evaluation.every", "eval_episodes": "evaluation.episodes"} | {
    "lr": "learning_rate",
    "discount": "gamma",
    **{name: name for name in ("horizon", "max_steps", "scenario")},  # read without the problems
}
"""Other libraries' names of settings, and parameters that are most often mistaken for options."""


class SettingsCommand(PluginCommand):
    """A command with ``--set``: an unknown option that is a setting's name gets a hint."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            setting = _setting(error.option_name.lstrip("-").replace("-", "_"))
            if setting is None:
                raise
            raise InputError(
                f"no such option {error.option_name}; say --set {setting}=VALUE"
            ) from None


def _setting(name: str) -> str | None:
    from agents import hyperparameters  # here: only a misspelt option has to wait for it
    from agents.settings import RunSettings

    models = [m for m in vars(hyperparameters).values() if hasattr(m, "model_fields")]
    known = {field for model in (RunSettings, *models) for field in model.model_fields}
    return name if name in known else _OTHER_NAMES.get(name)


class WorkerCount(click.ParamType[int]):
    """A number of processes; ``auto`` means one per core."""

    name = "N|auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the number."""
        count = os.cpu_count() or 1 if value == "auto" else WholeNumber().convert(value, param, ctx)
        if not 1 <= count <= MOST_WORKERS:
            raise InputError(f"{param.opts[0]} {value}: must be from 1 to {MOST_WORKERS}, or auto")
        return count


class ClusterAddress(click.ParamType[str]):
    """The address of a Ray cluster; without Ray it is refused before any work is done."""

    name = "address"

    def convert(self, value: Any, param: Any, _: Any) -> str:
        """Return the address."""
        if not str(value).strip():
            raise InputError(f"{param.opts[0]}: is empty; say auto, or HOST:6379")
        if importlib.util.find_spec("ray") is None:
            raise InputError(NEEDS_RAY)
        return str(value)


NEEDS_RAY = "--cluster needs Ray; pip install -e '.[cluster]'"
MOST_WORKERS = 1024
MOST_EPISODES = 1_000_000_000


class EpisodeCount(click.ParamType[int]):
    """A number of episodes to judge policies by; it may be written as ``1e7``."""

    name = "integer"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the number."""
        count = WholeNumber().convert(value, param, ctx)
        if not 2 <= count <= MOST_EPISODES:
            raise InputError(f"--episodes {count}: must be from 2 to {MOST_EPISODES:,}")
        return count


def worker_options(command: Command) -> Command:
    """Add the options that say where shards of the work run."""
    workers = click.option(
        "--workers",
        type=WorkerCount(),
        default=1,
        show_default=True,
        help="Processes of this machine that share the work; auto: one per core. The "
        "result does not depend on them.",
    )
    cluster = click.option(
        "--cluster",
        type=ClusterAddress(),
        metavar="ADDRESS",
        help="A Ray cluster instead of --workers: auto, or its address (docs/scale.md).",
    )
    return workers(cluster(command))


ITEMS_HELP = (
    "A file of costs and order limits of products: [store], [sku], and any of unit_cost, price, "
    "salvage, "
    "holding_cost, fixed_cost, stockout_cost, service_level, lead_time, order_multiple, "
    "minimum_order, shelf_capacity, shelf_life, supplier."
)


COLUMNS_HELP = (
    "Names of columns that are not recognised: demand=qty_sold,store=shop,... for date, store, "
    "sku, demand, in_stock, closing_stock."
)


def file_options(command: Command) -> Command:
    """Add the options about a file of days to a command."""
    for option in reversed(
        (
            click.option(
                "--demand",
                type=InputFile(),
                metavar="FILE",
                help="The supply chain on a file of the stores' daily demand: CSV or Parquet, a "
                "column per store, or long (a row per date, store and product).",
            ),
            click.option(
                "--prices",
                type=InputFile(),
                metavar="FILE",
                help="The cash problem on days of a file: columns date, raw_price, product_price, "
                "demand.",
            ),
            click.option(
                "--split",
                metavar="DATE",
                help="First day of the evaluation period of the file.",
            ),
            click.option(
                "--validation",
                metavar="DATE",
                help="First day of the period that selects the best model.",
            ),
            click.option(
                "--fill",
                help="Fill in missing days and values: zero or interpolate [refuse them].",
            ),
            click.option(
                "--augment",
                help="Resample training days: none, bootstrap or parametric [bootstrap].",
            ),
            click.option(
                "--calendar",
                type=InputFile(),
                metavar="FILE",
                help="A file of what is known ahead of past and coming days: date, [store], [sku], "
                "and columns such as holiday, promotion, price, event, closed.",
            ),
            click.option(
                "--holidays",
                metavar="REGION",
                help="Use the public holidays of a region: DE, DE-BY, US-CA ...",
            ),
            click.option("--columns", metavar="WHAT=NAME,...", help=COLUMNS_HELP),
            click.option("--items", type=InputFile(), metavar="FILE", help=ITEMS_HELP),
        )
    ):
        command = option(command)
    return heading("Demand file")(command)
