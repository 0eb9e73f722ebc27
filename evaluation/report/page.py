"""The report itself: pictures drawn, numbers put in words, one page that needs no network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluation.report.contents import ReportContents
from evaluation.report.figures.learning import draw_learning
from evaluation.report.figures.play import draw_episode, draw_policy
from evaluation.report.figures.profiles import draw_profiles
from evaluation.report.figures.returns import draw_gap, draw_parts, draw_returns
from evaluation.report.figures.training import draw_training
from evaluation.report.tables import csv_files, tables_of
from evaluation.report.text import ReportText
from evaluation.report.theme import css_variables, style, to_png, to_svg

Draw = Callable[..., Any]
FIGURES: dict[str, tuple[str, Draw]] = {
    "returns": ("What each episode earned", draw_returns),
    "gap": ("How far from the best possible", draw_gap),
    "profiles": ("How reliable it is", draw_profiles),
    "learning": ("How it learned", draw_learning),
    "training": ("What training logged", draw_training),
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


def build(contents: ReportContents, folder: str) -> tuple[str, dict[str, bytes]]:
    """Return the page as one HTML text, and its pictures and tables as PNG and CSV files by name.

    Parameters
    ----------
    contents : ReportContents
        What it is about.
    folder : str
        What the folder is called in which those files will lie.
    """
    sections, files = draw_all(contents)
    tables = tables_of(contents)
    files |= csv_files(contents, tables)
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
        tables=tables,
        folder=folder,
        files=sorted(files),
        facts=contents.facts,
    )
    return page, files
