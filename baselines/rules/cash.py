"""Fixed rules for the cash problem: the buy-buy-convert cycle and a two-echelon base stock."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.policy import Actions, Rule
from baselines.tuning import Family
from common.errors import InputError
from envs.batch import Batch
from envs.cash.batch import CashBatch
from envs.cash.kernels import ROWS
from envs.cash.parameters import CashParameters

Values = NDArray[np.float64]
State = Mapping[str, Values]


class CashRule(Rule):
    """Common part of all rules: binding, and no purchase in the last steps.

    Parameters
    ----------
    stop_before_end : array_like
        Number m of last steps without a purchase [steps]. Raw material bought so late can no
        longer be converted and sold.
    **levels : array_like
        The rule's own parameters by name.
    """

    def __init__(self, *, stop_before_end: ArrayLike = 0, **levels: ArrayLike) -> None:
        given = {**levels, "stop_before_end": stop_before_end}
        self.values = {name: np.asarray(value, np.float64) for name, value in given.items()}
        for name, value in self.values.items():
            if np.isnan(value).any() or (value < 0).any():
                raise InputError(f"{name} = {value}: must be a number of at least 0")

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in self.values.items())
        return f"{type(self).__name__}({values})"

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        if not isinstance(batch, CashBatch):
            raise InputError(f"{type(self).__name__} is a rule of the problem 'cash'")
        for name, value in self.values.items():
            if value.shape not in ((), (batch.num_worlds,)):
                raise InputError(f"{name} has shape {value.shape}, not ({batch.num_worlds},)")
        self._cash = batch
        self._buy, self._make = batch.parameters.lots()

    def actions(self) -> Actions:
        """Return one action per world, read from the state of the batch."""
        state = dict(zip(ROWS, self._cash.rows, strict=True))
        return self._choose(state, self._cash.parameters)

    @abstractmethod
    def _choose(self, state: State, parameters: CashParameters) -> Actions:
        """Return the actions for `state`, arrays of shape (num_worlds,) by name in `ROWS`."""


class BuyBuyConvert(CashRule):
    """Convert if there is raw material for a lot, else buy a lot if cash allows, else wait.

    With single lots and two raw units per product this is the cycle buy, buy, convert.

    Parameters
    ----------
    buy_lot, convert_lot : array_like, optional
        The lots to use [raw units, products], among those on offer; by default the first ones.
    stop_before_end : array_like
        Number of last steps without a purchase [steps].
    """

    def __init__(
        self,
        buy_lot: ArrayLike | None = None,
        convert_lot: ArrayLike | None = None,
        stop_before_end: ArrayLike = 0,
    ) -> None:
        lots = {"buy_lot": buy_lot, "convert_lot": convert_lot}
        chosen = {name: lot for name, lot in lots.items() if lot is not None}
        super().__init__(stop_before_end=stop_before_end, **chosen)

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on.

        Raises
        ------
        InputError
            If a lot is not on offer.
        """
        super().bind(batch)
        self._buy_action = self._action("buy_lot", self._buy)
        self._convert_action = self._action("convert_lot", self._make)

    def _action(self, name: str, offered: Values) -> NDArray[np.intp]:
        """Return the action that moves the chosen lot, one or one per world."""
        actions = np.flatnonzero(offered)
        if name not in self.values:
            return actions[:1]
        lot = self.values[name]
        if not np.isin(lot, offered[actions]).all():
            allowed = ", ".join(f"{size:g}" for size in offered[actions])
            raise InputError(f"{name} = {lot}: not on offer; allowed: {allowed}")
        return np.asarray(actions[np.argmax(lot[..., None] == offered[actions], axis=-1)])

    def _choose(self, state: State, parameters: CashParameters) -> Actions:
        needed = self._make[self._convert_action] * parameters.raw_per_product
        cost = self._buy[self._buy_action] * state["raw_price"]
        left = parameters.max_steps - self.values["stop_before_end"] - state["step"]
        buys = (state["cash"] >= cost) & (left > 0)
        otherwise = np.where(buys, self._buy_action, 0)
        return np.where(state["raw"] >= needed, self._convert_action, otherwise)


class BaseStock(CashRule):
    """Order up to a base-stock level at both stages, the product first, and run out at the end.

    1. If product < product_level, convert the lot that fits the gap ``product_level - product``.
    2. Else, or if raw stock allows no lot, buy the lot that fits the raw gap, if there is one.
    3. Else wait.

    The raw gap is ``min(S_raw - raw, a * (rate * n - product) - raw)`` with n steps left (without
    the last m), a raw units per product and the run-out rate in products per step: what cannot be
    sold any more is not bought. The lot that fits is the largest possible one (raw stock, cash)
    not above the gap; where all are above it, the smallest possible one, so that a level is
    always reached.

    Parameters
    ----------
    product_level, raw_level : array_like
        Base-stock levels S of the two stages [products, raw units].
    stop_before_end : array_like
        Number m of last steps without a purchase [steps].
    run_out_rate : array_like
        Expected sales in each remaining step [products/step]; infinite for no run-out.

    References
    ----------
    Clark and Scarf (1960), Optimal policies for a multi-echelon inventory problem, Management
    Science 6(4); Veinott (1965), The optimal inventory policy for batch ordering, Operations
    Research 13(3), for order-up-to levels met in lots.
    """

    def __init__(
        self,
        product_level: ArrayLike,
        raw_level: ArrayLike,
        stop_before_end: ArrayLike = 0,
        run_out_rate: ArrayLike = np.inf,
    ) -> None:
        super().__init__(
            product_level=product_level,
            raw_level=raw_level,
            stop_before_end=stop_before_end,
            run_out_rate=run_out_rate,
        )

    def _choose(self, state: State, parameters: CashParameters) -> Actions:
        made_of = np.asarray(parameters.raw_per_product, np.float64)
        product_gap = self.values["product_level"] - state["product"]
        convert = _fitting_lot(self._make, product_gap, made_of, state["raw"])
        buy = _fitting_lot(
            self._buy, self._raw_gap(state, parameters), state["raw_price"], state["cash"]
        )
        return np.where(convert > 0, convert, buy)

    def _raw_gap(self, state: State, parameters: CashParameters) -> Values:
        left = parameters.max_steps - self.values["stop_before_end"] - state["step"]
        sellable = self.values["run_out_rate"] * np.maximum(left, 0.5) - state["product"]
        wanted = np.minimum(self.values["raw_level"], parameters.raw_per_product * sellable)
        return np.where(left > 0, wanted - state["raw"], 0.0)


def _fitting_lot(lots: Values, gap: Values, unit_cost: Values, budget: Values) -> NDArray[np.intp]:
    """Return the action of the largest possible lot within the gap, else the smallest possible.

    A lot is possible if ``lot * unit_cost <= budget``. The action is 0, to wait, where the gap is
    not positive or no lot is possible.
    """
    smallest, *larger = [a for a in np.argsort(lots, kind="stable") if lots[a] > 0]
    chosen = np.where((gap > 0) & (lots[smallest] * unit_cost <= budget), smallest, 0)
    for action in larger:
        chosen[(lots[action] <= gap) & (lots[action] * unit_cost <= budget)] = action
    return chosen


def cycle_family(parameters: CashParameters) -> Family:
    """Return the buy-buy-convert rules of all lots and numbers of last steps without purchase."""
    stops = [m for m in (*range(16), 20, 25, 30, 40) if m <= parameters.max_steps]
    return Family(
        BuyBuyConvert,
        {
            "buy_lot": tuple(dict.fromkeys(parameters.buy_lots)),
            "convert_lot": tuple(dict.fromkeys(parameters.convert_lots)),
            "stop_before_end": tuple(stops),
        },
    )


def base_stock_family(parameters: CashParameters) -> Family:
    """Return the base-stock rules with levels from a fraction of a step's demand to no limit."""
    p = parameters
    law = p.demand_law("tuning")
    demand = float(law.draw(np.random.default_rng(0), 100, p.max_steps + 1).mean())
    cover = np.array([0.01, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, np.inf])  # steps of demand
    product = [demand * c if demand else 0.0 for c in cover]
    product += [min(p.convert_lots), max(p.convert_lots)]
    raw = [p.raw_per_product * level for level in product]
    rate = [np.inf, *(share * demand for share in (1.2, 1.0, 0.9, 0.8, 0.6))]
    return Family(
        BaseStock,
        {
            "product_level": _levels(product),
            "raw_level": _levels(raw),
            "stop_before_end": tuple(m for m in (0.0, 1.0, 2.0, 4.0) if m <= p.max_steps),
            "run_out_rate": tuple(float(f"{x:.3g}") for x in rate),
        },
        refined=("product_level", "raw_level", "stop_before_end", "run_out_rate"),
        integer=("stop_before_end",),
    )


def _levels(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted({float(f"{value:.3g}") for value in values}))
