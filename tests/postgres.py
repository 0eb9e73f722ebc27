"""A PostgreSQL server of its own for tests, on 127.0.0.1 with a port that happens to be free."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60


def _programs() -> Path | None:
    """Return the folder with initdb and postgres, where Debian or the PATH has them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = shutil.which("initdb")
    return found[-1].parent if found else Path(path).parent if path else None


def missing() -> str | None:
    """Return why no server can be started here, None if one can."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no PostgreSQL: pip install 'psycopg[binary]'"
    return None if _programs() else "no PostgreSQL: apt-get install postgresql"


@contextmanager
def server() -> Iterator[str]:
    """Start a server with an empty database and yield its URL; it ends with the context."""
    programs = _programs()
    assert programs is not None
    # the server refuses to run as root
    owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if not os.getuid() else {}
    with tempfile.TemporaryDirectory(prefix="postgres", ignore_cleanup_errors=True) as name:
        if owner:
            shutil.chown(name, "postgres", "postgres")
        data = Path(name, "data")
        common = {"cwd": name, "stdout": subprocess.DEVNULL, **owner}
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
            check=True,
            **common,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [text for pair in settings.items() for text in ("-c", "=".join(pair))]
        running = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), *options],
            stderr=subprocess.DEVNULL,
            **common,
        )
        try:
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            _wait(url, running)
            yield url
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(SECONDS)


def _wait(url: str, running: "subprocess.Popen[bytes]") -> None:
    import psycopg

    until = time.monotonic() + SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if running.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
