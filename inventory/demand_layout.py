"""Where the columns of a demand file say what: days, stores, SKUs, quantities; wide or long."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inventory.demand_cells import Cells
from inventory.demand_columns import Column, Sheet, no_name
from inventory.demand_dates import best_form, date_forms, parser
from inventory.demand_numbers import Mark, decimal_mark, may_be_either, units
from inventory.demand_source import DemandSource
from inventory.errors import InputError, choose, short

Floats = NDArray[np.float64]
MAX_DATES = 40_000
DATE_NAMES = ("date", "day", "datum", "ds", "timestamp", "time", "datetime")
STORE_NAMES = ("store", "shop", "location", "site", "branch", "store_id", "filiale", "unique_id")
SKU_NAMES = ("sku", "item", "product", "article", "sku_id", "item_id", "product_id", "artikel")
DEMAND_NAMES = (
    *("demand", "sales", "units", "quantity", "qty", "y", "sold", "units_sold", "value", "menge"),
)
OF_FILE = "all"
"""Name of the only SKU of a file that names none, and of the only store."""


def cells_of(
    sheet: Sheet, source: DemandSource, today: dt.date, quantities: Sequence[str]
) -> tuple[Cells, str]:
    """Return the quantities of a file with their places, and how it was read."""
    date = _date_column(sheet, source)
    days, form = _days(sheet, date, source.date_format, today)
    long = _long_columns(sheet, source, date, quantities)
    cells = _from_long(sheet, days, long, source) if long else _from_wide(sheet, days, date, source)
    return cells, f"{'long' if long else 'wide'}, {sheet.kind}, dates {form}"


def _named(sheet: Sheet, names: Iterable[str]) -> str | None:
    """Return the column with one of the names, whatever its capitals."""
    by_name = {column.lower().replace(" ", "_"): column for column in reversed(sheet.columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _date_column(sheet: Sheet, source: DemandSource) -> str:
    if source.date is not None:
        return choose(f"column in {sheet.name}", source.date, sheet.columns)
    named = _named(sheet, DATE_NAMES)
    if named is not None:
        return named
    for name, column in sheet.columns.items():
        if column.values and date_forms(column.values[:20]):
            return name
    raise InputError(
        f"{sheet.name}: no column of dates among {short(list(sheet.columns))}; name it with "
        "--set demand_data.date="
    )


def _days(
    sheet: Sheet, name: str, form: str | None, today: dt.date
) -> tuple[NDArray[np.intp], str]:
    """Return every row's day as an ordinal, and the form of the dates."""
    column = sheet.columns[name]
    texts = [text for text in column.values if text]
    if len(texts) > MAX_DATES:
        raise InputError(f"{sheet.name}: {len(texts):,} different dates, at most {MAX_DATES:,}")
    order = np.argsort(_first_rows(column), kind="stable")  # what stands first decides
    texts = [column.values[i] for i in order if column.values[i]]
    forms = [form] if form else date_forms(texts) if texts else []
    chosen = best_form(texts, forms) if len(forms) > 1 else (forms or ["%Y-%m-%d"])[0]
    if chosen is None:
        raise InputError(
            f"{sheet.name}: {texts[0]} may be {forms[0]} or {forms[1]}; say "
            f"--set demand_data.date_format={forms[0]}"
        )
    parse = parser(chosen)
    ordinals = np.array([parse(text) or 0 for text in column.values] or [0], np.intp)
    days = ordinals[column.rows]
    wrong = np.flatnonzero((days == 0) | (column.rows < 0))
    if wrong.size:
        text = _text(column, wrong[0])
        remedy = "mend it, or say --set demand_data.date_format="
        if len(text) == 5 and text.isdigit():
            remedy = "a spreadsheet counts days so; format the column as a date and save it again"
        raise InputError(
            f"{_row(sheet, wrong[0])}: {short(text)} is not a date ({chosen}); {remedy}"
        )
    late = np.flatnonzero(days > today.toordinal())
    if late.size:
        day = dt.date.fromordinal(int(days[late[0]]))
        raise InputError(
            f"{_row(sheet, late[0])}: {day} is in the future, today is {today}; leave forecasts "
            "out, or say --set demand_data.date_format="
        )
    return days, chosen


def _long_columns(
    sheet: Sheet, source: DemandSource, date: str, quantities: Sequence[str]
) -> dict[str, str] | None:
    """Return the columns of a long file by what they hold, None for a wide one."""
    asked = {"store": source.store, "sku": source.sku, "demand": source.demand}
    known = {"store": STORE_NAMES, "sku": SKU_NAMES, "demand": quantities}
    found: dict[str, str] = {}
    for part, names in known.items():
        name = asked[part]
        column = _named(sheet, names) if name is None else name
        if name is not None:
            choose(f"column in {sheet.name}", name, sheet.columns)
        if column is not None and column != date:
            found[part] = column
    is_long = "demand" in found and ("store" in found or "sku" in found)
    if source.layout == "wide" or (source.layout == "auto" and not is_long):
        return None
    if not is_long:
        raise InputError(
            f"{sheet.name}: a long file needs columns of stores or SKUs and of {quantities[0]}; "
            f"name them with store=, sku= and demand=; it has {short(list(sheet.columns))}"
        )
    return found


def _from_wide(sheet: Sheet, days: NDArray[np.intp], date: str, source: DemandSource) -> Cells:
    wanted = source.stores
    stores = tuple(name for name in sheet.columns if name != date)
    for name in wanted or ():
        choose(f"column in {sheet.name}", name, stores)
    stores = wanted or stores
    if not stores:
        raise InputError(f"{sheet.name}: has dates and no column of demand; add one per store")
    if "" in stores:
        raise no_name(sheet.name, list(sheet.columns).index(""))
    values = read_quantities(sheet, stores, source.decimal)
    texts = [sheet.columns[name] for name in stores]
    lanes = np.broadcast_to(np.arange(len(stores)), values.shape)
    return Cells(
        days=np.repeat(days, len(stores)),
        lanes=lanes.reshape(-1),
        values=values.reshape(-1),
        text=lambda at: _text(texts[at % len(stores)], at // len(stores)),
        number=lambda at: int(sheet.numbers[at // len(stores)]),
        stores=stores,
        skus=(OF_FILE,),
    )


def _from_long(
    sheet: Sheet, days: NDArray[np.intp], names: dict[str, str], source: DemandSource
) -> Cells:
    stores, store_of = _in_order(sheet, names.get("store"))
    wanted = source.stores
    for name in wanted or ():
        choose(f"store in {sheet.name}", name, stores)
    chosen = wanted or stores
    place_of = np.array([chosen.index(s) if s in chosen else -1 for s in stores], np.intp)
    rows = np.flatnonzero(place_of[store_of] >= 0)
    skus, sku_of = _in_order(sheet, names.get("sku"))
    demand = sheet.columns[names["demand"]]
    return Cells(
        days=days[rows],
        lanes=sku_of[rows] * len(chosen) + place_of[store_of[rows]],
        values=read_quantities(sheet, [names["demand"]], source.decimal)[rows, 0],
        text=lambda at: _text(demand, rows[at]),
        number=lambda at: int(sheet.numbers[rows[at]]),
        stores=chosen,
        skus=skus,
    )


def _in_order(sheet: Sheet, name: str | None) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the names in a column as the file has them, and which of them every row has."""
    if name is None:
        return (OF_FILE,), np.zeros(len(sheet.numbers), np.intp)
    column = sheet.columns[name]
    empty = np.flatnonzero(column.blank)
    if empty.size:
        raise InputError(f"{_row(sheet, empty[0])}: no {name}; put it in, or leave the row out")
    order = np.argsort(_first_rows(column), kind="stable")
    names = tuple(dict.fromkeys(column.values[i] for i in order))
    place_of = {text: place for place, text in enumerate(names)}
    places = np.array([place_of[text] for text in column.values], np.intp)
    return names, places[column.rows]


def _first_rows(column: Column) -> NDArray[np.intp]:
    """Return the first row of every distinct value."""
    first = np.full(len(column.values), len(column.rows), np.intp)
    np.minimum.at(first, column.rows[column.rows >= 0], np.flatnonzero(column.rows >= 0))
    return first


def read_quantities(sheet: Sheet, names: Sequence[str], decimal: Mark | None = None) -> Floats:
    """Return the numbers of columns, which have one decimal mark; NaN for what is no quantity.

    Raises
    ------
    InputError
        If the mark may be one of decimals or of thousands.
    """
    columns = [sheet.columns[name] for name in names]
    mark = decimal or sheet.decimal
    mark = mark or decimal_mark(text for column in columns for text in column.values)
    if mark is None:
        raise _either(sheet, dict(zip(names, columns, strict=True)))
    numbers = [np.array([*(units(t, mark) for t in c.values), np.nan])[c.rows] for c in columns]
    return np.stack(numbers, axis=1)


def _either(sheet: Sheet, columns: Mapping[str, Column]) -> InputError:
    """Return what to say of the first number whose mark may be one of decimals or thousands."""
    found = [
        (int(np.flatnonzero(column.rows == at)[0]), name, text)
        for name, column in columns.items()
        for at, text in enumerate(column.values)
        if may_be_either(text) and (column.rows == at).any()
    ]
    row, name, text = min(found)
    point, comma = units(text, "."), units(text, ",")
    return InputError(
        f"{_row(sheet, row)}: {name} = {text!r} may be {point:g} or {comma:g}, and nothing in the "
        "file tells; write it without a mark of thousands, or say --set demand_data.decimal=."
    )


def _text(column: Column, row: int) -> str:
    at = int(column.rows[row])
    return column.values[at] if at >= 0 else ""


def _row(sheet: Sheet, row: int) -> str:
    return f"{sheet.name} row {sheet.numbers[row]}"
