"""How a batch of worlds of the cash problem lies in memory, and what it shows of itself.

The worlds stand in columns and what they hold in rows, so that a loop over the worlds runs along a
few rows and the compiler moves several worlds with one instruction, which it cannot where the
fields of a world lie side by side.
"""

import numpy as np
from numpy.typing import NDArray

OBSERVATION_NAMES = ("raw", "product", "raw_price", "product_price", "demand", "cash")
_TOTALS = ("return", "units_sold", "unmet_demand", "demand_total", "invalid_actions")
_LAST_STEP = ("sold", "revenue", "holding_cost", "invalid")
ROWS = (*OBSERVATION_NAMES, "before_sale", *_TOTALS, "step", "max_steps", *_LAST_STEP)
"""The state, the sums over the episode so far, the steps done and to do, and of the last step the
units sold, the revenue, the holding cost and whether the action was invalid (0 or 1)."""

RAW, PRODUCT, RAW_PRICE, PRODUCT_PRICE, DEMAND, CASH, BEFORE_SALE = range(7)
RETURN, UNITS_SOLD, UNMET_DEMAND, DEMAND_TOTAL, INVALID_ACTIONS = range(7, 12)
STEP, MAX_STEPS, SOLD, REVENUE, HOLDING_COST, INVALID = range(12, 18)

STATE = np.dtype([(n, "i8" if n == "step" else "f8") for n in ROWS[: STEP + 1]])
"""State of a world and the sums over its episode so far; `step` counts from 0."""

REPORT_NAMES = (
    "sold_units",
    "unmet_demand",
    "revenue",
    "holding_cost",
    "invalid_action",
    "product_inventory_before_sale",
    "product_inventory_after_sale",
)
REPORT = np.dtype([(n, "?" if n == "invalid_action" else "f8") for n in REPORT_NAMES], align=True)
"""What a world tells of its last step."""


def make_rows(num_worlds: int) -> NDArray[np.float64]:
    """Return room for the rows of all worlds, shape (rows, num_worlds or a few more).

    Entries of a world that lie a multiple of 4096 bytes apart compete for the same few places of
    the processor's cache; the spare columns at the end of long rows keep them from it.
    """
    spare = (32 - num_worlds) % 512 if num_worlds >= 256 else 0
    return np.zeros((len(ROWS), num_worlds + spare))
