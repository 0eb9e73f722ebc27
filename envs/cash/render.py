"""Five lines about a step of the cash problem, and a picture of an episode so far."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = ("raw", "product", "raw_price", "product_price", "demand", "sold", "cash")
_SIZE = 8.0, 6.0
_DPI = 80
_MARGINS = {"left": 0.09, "right": 0.98, "top": 0.89, "bottom": 0.07, "hspace": 0.4}
"""Fixed, so that panels do not move during a video; computing a layout would double the time."""


def cash_text(world: Any) -> str:
    """Return the five lines of one step.

    Parameters
    ----------
    world : numpy.void
        One entry of `envs.cash.kernels.STATE`.
    """
    return (
        f"Step: {world['step']}\n"
        f"Raw Inventory: {world['raw']:.1f}\n"
        f"Product Inventory Before Sale: {world['before_sale']:.1f}, "
        f"After Sale: {world['product']:.1f}\n"
        f"Raw Price: {world['raw_price']:.2f}, Product Price: {world['product_price']:.2f}\n"
        f"Demand: {world['demand']:.2f}, Cash: {world['cash']:.2f}"
    )


class CashHistory:
    """What a picture shows: the state after every step so far, of one world.

    Parameters
    ----------
    max_steps : int
        Steps of an episode, the width of the picture.
    """

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps
        self._columns: dict[str, list[float]] = {name: [] for name in _SHOWN}

    def record(self, world: Any) -> None:
        """Record the present state of a world, an entry of `envs.cash.kernels.STATE`."""
        for name in _SHOWN:
            value = world["before_sale"] - world["product"] if name == "sold" else world[name]
            self._columns[name].append(float(value))
        self._return = float(world["return"])

    def column(self, name: str) -> NDArray[np.float64]:
        """Return what was recorded under a name, shape (steps + 1,)."""
        return np.array(self._columns[name])

    @property
    def headline(self) -> str:
        """Title of the picture: step, return so far and cash."""
        steps = len(self._columns["cash"]) - 1
        if steps < 0:
            return "No episode has begun: call reset"
        return (
            f"Step {steps} of {self.max_steps}.  Return so far {self._return:,.1f}, "
            f"cash {self._columns['cash'][-1]:,.1f}"
        )


def cash_picture(history: CashHistory) -> NDArray[np.uint8]:
    """Return a picture of the episode so far, shape (480, 640, 3): stocks, demand, prices, cash."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: only pictures need it
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    figure.suptitle(history.headline, fontsize=11)
    panels = figure.subplots(4, 1, sharex=True, gridspec_kw=_MARGINS)
    _draw(panels[0], "Stock [units]", history, {"raw": "raw", "product": "product"})
    _draw(panels[1], "Demand and sales [units/step]", history, {"demand": "demand", "sold": "sold"})
    prices = {"raw_price": "raw", "product_price": "product"}
    _draw(panels[2], "Prices [money/unit]", history, prices)
    _draw(panels[3], "Cash [money]", history, {"cash": "cash"})
    panels[3].set_xlabel("steps passed", fontsize=8)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw(axes: Any, title: str, history: CashHistory, lines: dict[str, str]) -> None:
    """Draw lines of the history over the steps."""
    axes.set_title(title, fontsize=9, loc="left")
    for name, label in lines.items():
        values = history.column(name)
        marker = "o" if len(values) == 1 else None  # a line of one point would not be seen
        axes.step(range(len(values)), values, where="post", label=label, marker=marker)
    axes.set_xlim(0, history.max_steps)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    if len(lines) > 1:
        axes.legend(fontsize=8, loc="upper right", ncols=2)
