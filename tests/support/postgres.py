"""A real PostgreSQL of one's own, on a Unix socket, where its programs are installed."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

START_TIMEOUT = 20.0
PROGRAMS = ("initdb", "postgres", "pg_isready")


def find_postgres() -> Path | None:
    """Return the folder that holds PostgreSQL's programs: on PATH, or Debian's newest."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    for folder in on_path + debian:
        if all((folder / program).is_file() for program in PROGRAMS):
            return folder
    return None


def _version(folder: Path) -> float:
    return float(folder.parent.name)


class PostgresServer:
    """One PostgreSQL server with an empty database ``postgres``.

    PostgreSQL refuses to run as root; a root's test runs it as ``postgres`` or ``nobody``.

    Attributes:
        url: for SQLAlchemy with asyncpg.
    """

    def __init__(self) -> None:
        programs = find_postgres()
        assert programs is not None, "ask find_postgres() first"
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = _unprivileged()
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self.url = f"postgresql+asyncpg://postgres@/postgres?host={self._folder}"

    async def start(self) -> None:
        """Make the database and start; return when connections are taken."""
        data = str(self._folder / "data")
        with (self._folder / "log").open("ab") as log:
            await self._run(
                "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"
            )
            where = ("-D", data, "-k", str(self._folder), "-c", "listen_addresses=")
            self._process = subprocess.Popen(  # noqa: ASYNC220 -- forking is quick enough
                [str(self._programs / "postgres"), "-F", *where],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._owner,
            )
        async with asyncio.timeout(START_TIMEOUT):
            while not await self._run_quietly("pg_isready", "-h", str(self._folder)):
                assert self._runs(), (self._folder / "log").read_text()
                await asyncio.sleep(0.05)

    @property
    def pid(self) -> int:
        """The first of its processes, the others' parent; it runs."""
        assert self._process is not None
        return self._process.pid

    async def stop(self) -> None:
        """End it, if it runs, and remove its data."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once; nobody needs the data
            await asyncio.to_thread(self._process.wait, START_TIMEOUT)
            self._process = None
        shutil.rmtree(self._folder)

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def _run(self, program: str, *arguments: str) -> None:
        def run() -> None:
            command = [str(self._programs / program), *arguments]
            subprocess.run(
                command, check=True, capture_output=True, cwd=self._folder, **self._owner
            )

        await asyncio.to_thread(run)

    async def _run_quietly(self, program: str, *arguments: str) -> bool:
        try:
            await self._run(program, *arguments)
        except subprocess.CalledProcessError:
            return False
        return True


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
