"""Demand files as tests write them."""

import datetime as dt

START, TODAY = dt.date(2021, 3, 1), dt.date(2022, 3, 1)


def wide(values, form="%Y-%m-%d", sep=",", header="date,north,south"):
    rows = [
        sep.join([(START + dt.timedelta(days=i)).strftime(form), *map(str, row)])
        for i, row in enumerate(values)
    ]
    return "\n".join([header.replace(",", sep), *rows]) + "\n"


def long(values):
    """Return a long file of values of shape (days, SKUs, stores)."""
    rows = [
        f"{START + dt.timedelta(days=d)},s{n},k{k},{x}"
        for d, day in enumerate(values)
        for k, sku in enumerate(day)
        for n, x in enumerate(sku)
    ]
    return "\n".join(["date,store,sku,demand", *rows]) + "\n"
