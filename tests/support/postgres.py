"""A PostgreSQL server of the tests' own on loopback, where its binaries are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, text

URL_VARIABLE = "DETECTOR_TEST_POSTGRES_URL"
_USER = "postgres"


def binaries() -> Path | None:
    """Folder of `initdb` and `pg_ctl`, if this user can run them; the server refuses to run as root."""
    if os.geteuid() == 0 and (
        _USER not in {entry.pw_name for entry in pwd.getpwall()} or not shutil.which("runuser")
    ):
        return None
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(
        (place for place in places if (place / "pg_ctl").exists() and (place / "initdb").exists()), None
    )


class Cluster:
    """A server that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        place = binaries()
        assert place is not None
        self._bin, self._data = place, folder / "data"
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, _USER)
            self._as_user = ["runuser", "-u", _USER, "--"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"postgresql://detector@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-D", self._data, "-U", "detector", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", self._data / "log", "start")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash: no farewell to clients, recovery at the next start."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def _run(self, tool: str, *arguments: str | Path) -> None:
        command = [*self._as_user, self._bin / tool, *arguments]
        # A daemon that inherits our pipes would keep them open for ever.
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="detector-postgres-") as folder:
        server = Cluster(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    admin_url = server_url.replace("postgresql://", "postgresql+psycopg://", 1)
    admin = create_engine(admin_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
