"""The service's database: SQLite or PostgreSQL, one writer at a time, migrated at start."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

from commands.database.address import CONNECT_SECONDS, LOCK_SECONDS, check_there, parse_address
from common.errors import InputError, short
from common.files import write_whole
from service.store.tables import METADATA

MIGRATIONS = Path(__file__).parent / "migrations"
WRITER = 0x73727665
"""Key of the advisory lock on PostgreSQL that writers take: the log has one end."""

POOL = 10
PRIVATE = 0o600
"""Mode of a new file of SQLite: others on the machine read no orders."""


def now(after: str | None = None) -> str:
    """Return the present time in UTC, as the tables keep it, or the first one after another."""
    time = datetime.now(UTC)
    if after is not None:  # the clock may have been set back since
        time = max(time, datetime.fromisoformat(after) + timedelta(microseconds=1))
    return time.isoformat(timespec="microseconds")


_CANONICAL = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
)


def canonical(value: Any) -> str:
    """Return JSON that is the same text for the same value."""
    return _CANONICAL.encode(value)


class Database:
    """Connections to the tables.

    Parameters
    ----------
    address : str
        A file of SQLite, or ``postgresql://user@host/name``.
    make : bool
        Make the file, and the tables, where there are none.

    Raises
    ------
    InputError
        One line: the address leads nowhere, or the tables are of a newer version.
    """

    def __init__(self, address: str, *, make: bool = True) -> None:
        self.url, self.name = _location(address)
        if not make:
            try:
                check_there(self.url)
            except InputError as error:
                raise InputError(f"{error}; serve.py --checkpoint RUN makes it") from None
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = threading.Lock()
        if self.is_sqlite and make:
            with suppress(OSError):  # SQLite says why
                Path(str(self.url.database)).touch(PRIVATE)
        with self.one_line_errors():
            self.engine = _engine(self.url, sqlite=self.is_sqlite, make=make)
            self._migrate(make=make)

    @contextmanager
    def one_line_errors(self) -> Iterator[None]:
        """Turn what goes wrong in the database into one line."""
        try:
            yield
        except (sql.exc.SQLAlchemyError, ImportError, sqlite3.Error) as error:
            text = " ".join(str(getattr(error, "orig", None) or error).split())
            raise InputError(f"{self.name}: {short(text, 200)}") from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees the tables as of one moment."""
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection to the one writer; all it does is done, or nothing is."""
        with self._writer, self.engine.connect() as connection:
            connection = connection.execution_options(service_writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (WRITER,))
                yield connection

    def _migrate(self, *, make: bool) -> None:
        """Bring the tables to the newest form; without `make` they must be there."""
        newest = sorted(path.stem[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
        with self.writing() as connection:
            about = sql.inspect(connection)
            present = None
            if about.has_table("alembic_version"):
                present = connection.exec_driver_sql(
                    "SELECT version_num FROM alembic_version"
                ).scalar()
            if present == newest[-1]:
                return
            if present is None and not make:
                raise InputError(
                    f"--database {self.name}: holds no tables of the service; name its database"
                )
            if present is not None and present not in newest:
                raise InputError(
                    f"{self.name}: its tables are of version {present}, this service knows "
                    f"{newest[-1]}; start the version that wrote them"
                )
            if present is None and (mine := set(METADATA.tables) & set(about.get_table_names())):
                raise InputError(
                    f"{self.name}: has a table {min(mine)} that is not the service's; give it a "
                    "database of its own"
                )
            from alembic import command  # here: only a start that finds older tables needs it
            from alembic.config import Config

            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def ping(self) -> bool:
        """Return whether the database answers."""
        with suppress(sql.exc.SQLAlchemyError), self.reading() as connection:
            return bool(connection.exec_driver_sql("SELECT 1").scalar())
        return False

    def backup(self, path: Path) -> int:
        """Write a copy as of one moment to a file of SQLite; return its number of rows.

        The copy opens with ``--database``, whichever database it was made of.

        Raises
        ------
        InputError
            If there is a file already, or it cannot be written.
        """
        if path.exists():
            raise InputError(f"--backup {path}: exists; name a new file")
        temporary = path.with_name(f".{path.name}.partial")
        temporary.unlink(missing_ok=True)
        rows = 0
        try:
            copy = Database(str(temporary))
            with self.reading() as source, copy.writing() as target:
                for table in METADATA.sorted_tables:
                    found = source.execution_options(stream_results=True).execute(table.select())
                    for part in found.mappings().partitions(1000):
                        target.execute(table.insert(), [dict(row) for row in part])
                        rows += len(part)
            with copy.engine.connect() as last:
                last.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            copy.engine.dispose()
            write_whole(path, temporary.read_bytes(), PRIVATE)
        finally:
            for end in ("", "-wal", "-shm", "-journal"):
                temporary.with_name(temporary.name + end).unlink(missing_ok=True)
        return rows


def _location(address: str) -> tuple[URL, str]:
    """Return the URL and the name of a database, whose file may be yet to be made."""
    url, name = parse_address(sql, address)
    path = Path(url.database or "")
    lite = url.get_backend_name() == "sqlite"
    if lite and (not path.name or path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"--database {short(str(path), 300)}: must be a file in a folder that is")
    return url, name


def _engine(url: URL, *, sqlite: bool, make: bool) -> Engine:
    if not sqlite:
        return sql.create_engine(
            url,
            pool_size=POOL,
            max_overflow=POOL,
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level="READ COMMITTED",  # sees what was committed before it locked
            connect_args={"connect_timeout": CONNECT_SECONDS},
        )
    engine = sql.create_engine(
        url,
        pool_size=POOL,
        max_overflow=4 * POOL,
        hide_parameters=True,
        connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        if make:  # it stays with the file, which may be another program's otherwise
            connection.execute("PRAGMA journal_mode=WAL")
        for setting in ("synchronous=FULL", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("service_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
