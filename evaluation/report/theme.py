"""The style of figures: colours legible on light and dark, sizes, and embedding into the page.

A figure is drawn once, in the light colours. On the page every colour becomes a CSS variable, so
that the same drawing follows the reader's colour scheme; the PNG keeps the light ones.
"""

import io
import re
from collections.abc import Iterable, Iterator
from colorsys import hls_to_rgb
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, SOFT, GRID, PAPER = "#1c2024", "#5c6670", "#d9dee3", "#fefefe"
AGENT, OPTIMUM, RANDOM = "#0b63a8", "#1d2125", "#8a939c"
FIRST_RIVALS = (
    *("#c8500a", "#0a8060", "#a23b84", "#8a6d00", "#1f8fb3", "#6b4fbb", "#b0304a", "#4c7a1f"),
    *("#7a5c3e", "#9c27b0", "#d81b60", "#3949ab"),
)
"""After Okabe and Ito's palette, darkened until lines stand out from white at 3:1."""

GENERATED = 28
"""Further colours, of other hues, for comparisons with many rules."""


def _hex(hue: float, lightness: float) -> str:
    red, green, blue = hls_to_rgb(hue % 1.0, lightness, 0.62)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


# the golden angle keeps hues apart; lightness alternates, within 3:1 on either background
_HUES = [0.05 + 0.381966 * k for k in range(GENERATED)]
RIVALS = (*FIRST_RIVALS, *(_hex(hue, 0.24 + 0.08 * (k % 2)) for k, hue in enumerate(_HUES)))
"""Colours of the rivals, no two alike."""

DASHES = ("-", "--", ":", "-.")
"""Dash patterns that distinguish lines of the same or similar colours."""

DARK = {
    INK: "#e8ebee",
    SOFT: "#a3adb7",
    GRID: "#343b43",
    PAPER: "#15191e",
    AGENT: "#62b1f2",
    OPTIMUM: "#f4f6f8",
    RANDOM: "#7f8993",
    **dict(
        zip(
            FIRST_RIVALS,
            (
                *("#ff9354", "#3fcc9f", "#e78fcb", "#e2c04a"),
                *("#6fd0ea", "#b39df5", "#ff8fa3", "#a6d46f"),
                *("#c9a27e", "#d98cec", "#ff7fb0", "#93a2ff"),
            ),
            strict=True,
        )
    ),
    **dict(
        zip(
            RIVALS[len(FIRST_RIVALS) :],
            [_hex(hue, 0.66 + 0.08 * (k % 2)) for k, hue in enumerate(_HUES)],
            strict=True,
        )
    ),
}
"""Colours of the dark scheme by light colour."""

VARIABLES = {light: f"--c{i}" for i, light in enumerate(DARK)}
"""CSS variables by light colour."""

WIDE, NARROW = 9.4, 4.5
"""Widths of a figure, for wide and for narrow pages [inches]."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style within this context, and as before after it."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, independent of pyplot's state."""
    engine = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, wspace=0.04, hspace=0.06)
    figure = Figure(figsize=(width, height), layout=engine)
    FigureCanvasAgg(figure)
    return figure


def lay_out(figure: Figure) -> None:
    """Lay out a figure once: with a layout engine of its own every rendering would do so again."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def colours(names: Iterable[str], agents: Iterable[str]) -> dict[str, str]:
    """Return every policy's colour, the same in all figures: agents, optimum, random, rivals."""
    fixed = {"optimum": OPTIMUM, "random": RANDOM, **dict.fromkeys(agents, AGENT)}
    rivals = [name for name in names if name not in fixed]
    return {**fixed, **{name: rival_colour(i) for i, name in enumerate(rivals)}}


def rival_colour(number: int) -> str:
    """Return the colour of a rival, or of a line, by its number from 0."""
    return RIVALS[number % len(RIVALS)]


def spoken(name: str) -> str:
    """Return the name of a policy as shown in figures."""
    return name.replace("_", " ")


def to_png(figure: Figure) -> bytes:
    """Return the figure as PNG on white."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, facecolor="white")
    return file.getvalue()


def to_svg(figure: Figure, name: str, label: str) -> str:
    """Return the figure as an ``<svg>`` for the page, its colours as CSS variables.

    Parameters
    ----------
    figure : Figure
        The figure.
    name : str
        Prefix that makes the ids of its clip paths differ from those of the page's other figures.
    label : str
        Text for screen readers.
    """
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing: Any = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r' xmlns(?::xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    for light, variable in VARIABLES.items():
        text = text.replace(light, f"var({variable})")
    said = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg", f'<svg role="img" aria-label="{said}"', 1)


def css_variables() -> str:
    """Return the colours of both schemes as CSS."""
    light = ";".join(f"{variable}:{colour}" for colour, variable in VARIABLES.items())
    dark = ";".join(f"{VARIABLES[colour]}:{instead}" for colour, instead in DARK.items())
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )
