"""The page of a recommendation."""

from evaluation.report.page import draw_figures, render
from evaluation.report.recommendation.contents import RecommendationContents
from evaluation.report.recommendation.figures import FIGURES
from evaluation.report.recommendation.text import RecommendationText

BELOW = {
    "money": ("policies", "stores", "items"),
    "service": ("other_costs",),
    "weeks": ("bad_weeks",),
    "forecast": ("accuracy", "levels"),
}
"""Tables that follow each figure."""


def recommendation_page(contents: RecommendationContents) -> str:
    """Return the report as one HTML text that works offline and needs no other file."""
    text = RecommendationText(contents)
    sections, _ = draw_figures(FIGURES, contents, text.caption, as_files=False)
    tables = {table.name: table for table in text.tables}
    return render(
        "recommendation.html.j2",
        title=contents.title,
        sentence=contents.sentence,
        text=text,
        sections=sections,
        below={
            name: [tables[one] for one in names if one in tables] for name, names in BELOW.items()
        },
        research=text.research,
        facts=contents.facts,
    )
