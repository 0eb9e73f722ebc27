"""The page of the report: figures, numbers in words, all in one file that works offline."""

from collections.abc import Callable, Mapping
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
from evaluation.report.theme import css_variables, lay_out, style, to_png, to_svg

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
"""Heading and drawing function of each figure by name, in the order of the page."""

HERE = Path(__file__).parent


Sections = list[dict[str, Any]]


def draw_figures(
    figures: Mapping[str, tuple[str, Draw]],
    contents: Any,
    caption: Callable[[str], str],
    *,
    as_files: bool = True,
) -> tuple[Sections, dict[str, bytes]]:
    """Draw figures.

    Parameters
    ----------
    figures : mapping
        Heading of each figure by name, and the function that draws it, or returns None if there is
        nothing to draw.
    contents : object
        Argument of the functions: ``draw(contents, wide=True)``.
    caption : callable
        Function from the name of a figure to its caption.
    as_files : bool
        Whether to return PNG files too.

    Returns
    -------
    list of dict, dict
        Sections of the page, each with its heading, caption and both drawings; PNG files by name.
    """
    sections, files = [], {}
    with style():
        for name, (heading, draw) in figures.items():
            figure = draw(contents, wide=True)
            if figure is None:
                continue
            narrow = draw(contents, wide=False)
            lay_out(figure)
            lay_out(narrow)
            if as_files:
                files[f"{name}.png"] = to_png(figure)
            below = caption(name)
            sections.append(
                {
                    "name": name,
                    "heading": heading,
                    "caption": below,
                    "wide": Markup(to_svg(figure, name, below)),  # noqa: S704 (our own drawing)
                    "narrow": Markup(to_svg(narrow, f"{name}-narrow", below)),  # noqa: S704
                }
            )
    return sections, files


def render(template: str, **values: Any) -> str:
    """Return a page as one HTML text that works offline, in the style of the reports.

    Parameters
    ----------
    template : str
        Name of a template file beside this one.
    **values : object
        Values of its variables.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = css_variables() + "\n" + (HERE / "style.css").read_text("utf-8")
    return environment.get_template(template).render(style=Markup(css), **values)  # noqa: S704


def build(contents: ReportContents, folder: str) -> tuple[str, dict[str, bytes]]:
    """Return the page as one HTML text, and its figures and tables as PNG and CSV files by name.

    Parameters
    ----------
    contents : ReportContents
        The contents of the report.
    folder : str
        Name of the folder for those files.
    """
    text = ReportText(contents)
    sections, files = draw_figures(FIGURES, contents, text.caption)
    tables = tables_of(contents)
    files |= csv_files(contents, tables)
    page = render(
        "page.html.j2",
        title=contents.title,
        text=text,
        sections=sections,
        tables=tables,
        folder=folder,
        files=sorted(files),
        facts=contents.facts,
    )
    return page, files
