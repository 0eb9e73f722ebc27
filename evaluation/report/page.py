"""The report itself: pictures drawn, numbers put in words, one page that needs no network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluation.report.contents import ReportContents
from evaluation.report.figures_learning import draw_learning
from evaluation.report.figures_play import draw_episode, draw_policy
from evaluation.report.figures_returns import draw_gap, draw_parts, draw_returns
from evaluation.report.text import ReportText
from evaluation.report.theme import css_variables, style, to_png, to_svg

Draw = Callable[..., Any]
FIGURES: dict[str, tuple[str, Draw]] = {
    "returns": ("What each episode earned", draw_returns),
    "gap": ("How far from the best possible", draw_gap),
    "learning": ("How it learned", draw_learning),
    "parts": ("What the return is made of", draw_parts),
    "episode": ("One episode", draw_episode),
    "policy": ("The policy itself", draw_policy),
}
"""By name, the heading of a picture and what draws it, in the order of the page."""

HERE = Path(__file__).parent


def draw_all(contents: ReportContents) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Draw all pictures.

    Returns
    -------
    list of dict, dict
        For the page, each with its heading, caption and both drawings; PNG files by name.
    """
    text = ReportText(contents)
    sections, files = [], {}
    with style():
        for name, (heading, draw) in FIGURES.items():
            figure = draw(contents, wide=True)
            if figure is None:
                continue
            files[f"{name}.png"] = to_png(figure)
            figure.set_layout_engine("none")  # it is laid out, and stays so
            caption = text.caption(name)
            narrow = draw(contents, wide=False)
            sections.append(
                {
                    "name": name,
                    "heading": heading,
                    "caption": caption,
                    "wide": Markup(to_svg(figure, name, caption)),  # noqa: S704 (our own drawing)
                    "narrow": Markup(to_svg(narrow, f"{name}-narrow", caption)),  # noqa: S704
                }
            )
    return sections, files


def build(contents: ReportContents) -> tuple[str, dict[str, bytes]]:
    """Return the page as one HTML text, and the pictures as PNG files by name."""
    sections, files = draw_all(contents)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(
        title=contents.title,
        style=Markup(css_variables() + "\n" + (HERE / "style.css").read_text("utf-8")),  # noqa: S704
        text=ReportText(contents),
        sections=sections,
        facts=contents.facts,
    )
    return page, files
