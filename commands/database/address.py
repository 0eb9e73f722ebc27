"""Where a database is: a file of SQLite or a PostgreSQL server, and how long it is waited for."""

from pathlib import Path
from typing import Any

from common.errors import InputError, short

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
CONNECT_SECONDS, LOCK_SECONDS = 5, 30
"""How long a server, and another program's lock, is waited for."""


def parse_address(sql: Any, address: str) -> tuple[Any, str]:
    """Return the URL, and what to call the database in messages: without a password.

    Parameters
    ----------
    sql : module
        SQLAlchemy, which is an extra.
    address : str
        A file of SQLite, or a URL such as ``postgresql://user@host/name``.

    Raises
    ------
    InputError
        If it is neither.
    """
    try:
        lite = sql.URL.create("sqlite", database=address)
        url = sql.make_url(address) if "://" in address else lite
    except (sql.exc.ArgumentError, ValueError):
        raise InputError(
            "--database: is no URL; give a file, or such as postgresql://user@host/name"
        ) from None
    driver = url.drivername.removesuffix("+psycopg")
    if driver not in DRIVERS:
        raise InputError(
            f"--database {short(url.drivername)}: must be a file of SQLite, or such as "
            "postgresql://user@host/name"
        )
    url = url.set(drivername=DRIVERS[driver])
    if driver != "sqlite":
        shown = url.set(drivername="postgresql", query={})
        return url, shown.render_as_string(hide_password=True)
    return url, Path(url.database or "").name


def check_there(url: Any) -> None:
    """Make sure that the file of a database of SQLite is there: to open one would make it.

    Raises
    ------
    InputError
        If it is not.
    """
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise InputError(f"--database {short(url.database or '', 300)}: no such file")
