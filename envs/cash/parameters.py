"""Parameters of the cash / raw / product problem, validated."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from common.errors import FrozenModel, InputError, validated
from common.random_streams import Split
from demand.laws import DemandLaw, NormalDemand
from envs.cash.dynamics import CONSTANTS, MIN_PRICE
from envs.cash.price_history import DemandFile, demand_period, market_defaults

Amount = Annotated[float, Field(ge=0, le=1e9)]
Price = Annotated[float, Field(ge=MIN_PRICE, le=1e9)]
Lots = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], Field(min_length=1, max_length=64)
]


class CashParameters(FrozenModel):
    """Parameters of the cash problem. Prices are money per unit, costs money per unit and step.

    Where prices come from a file, defaults are those of `envs.cash.price_history.market_defaults`.
    """

    initial_cash: Annotated[float, Field(gt=0, le=1e9)] = 1000.0
    demand_mean: Amount = 10.0
    demand_std: Amount = 3.0
    raw_price_mean: Price = 5.0
    product_price_mean: Price = 20.0
    price_std: Amount = 0.2
    holding_cost: Amount = 0.1
    stockout_penalty: Amount = 5.0
    invalid_action_penalty: Amount = 2.0
    bankruptcy_penalty: Amount = 100.0
    conversion_bonus: Amount = 10.0
    raw_per_product: Annotated[int, Field(ge=1, le=1000)] = 2
    max_steps: Annotated[int, Field(ge=1, le=100_000)] = 50
    objective: Literal["shaped", "profit"] = "shaped"
    buy_lots: Lots = (1,)
    convert_lots: Lots = (1,)
    demand_data: DemandFile | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        """Fill in the defaults that depend on the prices of a file."""
        given = values.get("demand_data") if isinstance(values, Mapping) else None
        if not isinstance(given, DemandFile):
            if not isinstance(given, Mapping) or given.get("raw_price") is None:
                return values
            given = validated(DemandFile, given, "demand_data")
        return {**market_defaults(given, values), **values, "demand_data": given}

    @property
    def num_actions(self) -> int:
        """Number of actions: wait, the buys, the conversions."""
        return 1 + len(self.buy_lots) + len(self.convert_lots)

    def lots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return units bought and units made by each action, both of shape (num_actions,)."""
        buy, make = np.zeros(self.num_actions), np.zeros(self.num_actions)
        buy[1 : 1 + len(self.buy_lots)] = self.buy_lots
        make[1 + len(self.buy_lots) :] = self.convert_lots
        return buy, make

    def constants(self) -> NDArray[np.void]:
        """Return what the law of motion reads, as one `CONSTANTS` record of shape (1,)."""
        record = np.zeros(1, CONSTANTS)
        for name in CONSTANTS.names or ():
            record[name] = self.objective == "profit" if name == "profit" else getattr(self, name)
        return record

    def check_stage(self, stage: "CashParameters") -> None:
        """Check that worlds with these parameters can go on with those of `stage`.

        Raises
        ------
        InputError
            If the lots, and with them the actions, or the demand file differ.
        """
        for name in ("buy_lots", "convert_lots", "demand_data"):
            if getattr(stage, name) != getattr(self, name):
                raise InputError(f"{name} cannot change between the stages of a run")

    @property
    def law_is_known(self) -> bool:
        """Whether rewards can be expected over the law of the step's demand."""
        return self.demand_data is None

    def demand_law(self, split: Split = "training") -> DemandLaw:
        """Return where demand comes from: the normal law, or the days of `demand_data`."""
        if self.demand_data is not None:
            return demand_period(self.demand_data, split)
        return NormalDemand(self.demand_mean, self.demand_std)

    def played_days(self, split: Split) -> range:
        """Return the days of the file that `split` plays, none without a file."""
        if self.demand_data is None:
            return range(0)
        return range(demand_period(self.demand_data, split).demand.size)
