"""What a run's demand file is understood to be, before work starts."""

from typing import Any

from agents.config import RunConfig
from agents.console import screen
from inventory.demand_description import describe_demand
from inventory.demand_files import read_demand


def tell_demand(config: RunConfig) -> None:
    """Print what the run's demand file is understood to be, if demand comes from one."""
    source: Any = getattr(config.parameters, "demand_data", None)
    if source is None:
        return
    column = getattr(source, "column", None)
    reading = source if column is None else source.model_copy(update={"stores": (column,)})
    screen.print(describe_demand(read_demand(reading), source), soft_wrap=True, markup=False)
