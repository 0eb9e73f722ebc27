"""What a run's demand file is understood to be, before work starts."""

from typing import Any

from agents.config import RunConfig
from agents.console import screen
from inventory.demand_description import describe_demand
from inventory.demand_files import read_demand
from inventory.market_history import DemandFile


def tell_demand(config: RunConfig) -> None:
    """Print what the run's demand file is understood to be, if demand comes from one."""
    source: Any = getattr(config.parameters, "demand_data", None)
    if source is None:
        return
    market = isinstance(source, DemandFile)
    table = read_demand(source.reading() if market else source)
    what = "column" if market else "store"
    screen.print(describe_demand(table, source, what), soft_wrap=True, markup=False)
