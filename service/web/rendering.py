"""How pages are made: templates, forms that come back, pictures of coming stock and of cost."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

import jinja2
from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse

from common.errors import InputError
from service.access import Session
from service.explanation import Explanation
from service.requests import IsoDate
from service.service_curve import CurvePoint, ServiceCurve
from service.web.state import visitor

HERE = Path(__file__).parent
Visitor = Annotated[Session | None, Depends(visitor)]
Day = Annotated[IsoDate | None, Query()]


def _units(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters |= {"units": _units, "plain": lambda value: f"{value:.12g}", "zip": zip}


def render(name: str, session: Session | None, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page."""
    said = values.pop("said", "")
    text = TEMPLATES.get_template(name).render(session=session, said=said, **values)
    return HTMLResponse(text, status)


async def _form(request: Request) -> Mapping[str, list[str]]:
    """Return what a form sent; FastAPI's own way needs another package."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(body, keep_blank_values=True, max_num_fields=10_000)
    except ValueError:
        raise InputError("the form has too many fields") from None


Form = Annotated[Mapping[str, list[str]], Depends(_form)]


def field(form: Mapping[str, list[str]], name: str) -> str:
    """Return what a form has under a name, "" if nothing."""
    return form.get(name, [""])[0]


def stock_chart(why: Explanation | None) -> dict[str, Any] | None:
    """Return the points of the picture of coming stock: 640 by 300, days from 50 to 630."""
    if why is None or not why.projected:
        return None
    days, rule = why.projected, why.projected_rule
    most = _round_above(max(*(day.high for day in days), *(day.median for day in rule), 1.0))
    step = 580 / max(len(days) - 1, 1)

    def at(n: int, value: float) -> str:
        return f"{50 + n * step:.1f},{270 - 250 * value / most:.1f}"

    low = [at(n, day.low) for n, day in enumerate(days)]
    high = [at(n, day.high) for n, day in enumerate(days)]
    return {
        "band": " ".join([*high, *low[::-1]]),
        "median": " ".join(at(n, day.median) for n, day in enumerate(days)),
        "rule": " ".join(at(n, day.median) for n, day in enumerate(rule)),
        "arrives": f"{50 + why.lead_time * step:.1f}",
        "lines": [(270 - 250 * share, _units(round(most * share))) for share in (0, 0.5, 1)],
        "dates": [
            (f"{50 + n * step:.0f}", f"{days[n].date:%d %b}") for n in range(0, len(days) - 1, 3)
        ],
    }


def _round_above(value: float) -> float:
    """Return a round number that is at least `value`, whose half is round too."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * one for one in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if unit * one >= value)


def curve_chart(curve: ServiceCurve) -> dict[str, Any]:
    """Return the points of the picture of service and cost: 640 by 300."""
    points = [*curve.policy, *curve.by_rule]
    heights = [_height(one) for one in points]
    left, right = min(p.fill_rate for p in points), max(p.fill_rate for p in points)
    low, high = min(heights), max(heights)

    def at(one: CurvePoint) -> tuple[float, float]:
        x = 80 + 520 * (one.fill_rate - left) / max(right - left, 1e-9)
        y = 260 - 240 * (_height(one) - low) / max(high - low, 1e-9)
        return round(x, 1), round(y, 1)

    def line(some: Sequence[CurvePoint]) -> dict[str, Any]:
        return {
            "points": " ".join(f"{x},{y}" for x, y in map(at, some)),
            "dots": [(*at(one), one) for one in some],
            "now": next(at(one) for one in some if one.days == 0),
        }

    shares = (0, 0.5, 1)
    return {
        "policy": line(curve.policy),
        "rule": line(curve.by_rule),
        "lines": [(260 - 240 * s, _units(round(low + s * (high - low)))) for s in shares],
        "rates": [(80 + 520 * s, f"{left + s * (right - left):.1%}") for s in shares],
        "what": "Stock of a store" if points[0].cost_per_year is None else "Cost a year",
    }


def _height(one: CurvePoint) -> float:
    return one.on_hand if one.cost_per_year is None else one.cost_per_year
