"""A file of dated demand, and how it is to be read."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from common.errors import FrozenModel
from demand.formats import Mark


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file")
    return path


class DemandSource(FrozenModel):
    """A file of dated demand, how it is to be read, and what its days are for.

    Names, forms and encodings are found out where they are not given. `fill` puts 0, or the line
    between the neighbours, in the place of missing days and of values that are empty, negative or
    no numbers; the periods are those of `demand.calendar`.
    """

    file: Annotated[Path, AfterValidator(_existing)]
    date: str | None = Field(None, description="column of the days")
    store: str | None = Field(None, description="column of the stores, in a long file")
    sku: str | None = Field(None, description="column of the SKUs, in a long file")
    demand: str | None = Field(None, description="column of the demand, in a long file")
    stores: tuple[str, ...] | None = Field(None, description="the stores to take; default: all")
    layout: Literal["auto", "wide", "long"] = "auto"
    date_format: str | None = Field(None, description="as of strptime, such as %d.%m.%Y")
    decimal: Mark | None = Field(None, description="decimal mark, a point or a comma")
    separator: str | None = None
    encoding: str | None = None
    fill: Literal["zero", "interpolate"] | None = None
    split: dt.date | None = Field(None, description="first day of the evaluation period")
    validation: dt.date | None = Field(None, description="first day of the selection period")
    until: dt.date | None = Field(None, description="first day after the evaluation period")
