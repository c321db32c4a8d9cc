"""Starting processes in sessions of their own, and ending all that came of them without ever hitting a stranger.

A pid alone names nobody: it is reused. So each process is remembered with its *identity* (boot and start time), and
what descends from it is found again in three ways, any of which suffices: it is a child, it is in the leader's session,
or its environment carries the stack's token.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

TOKEN_VARIABLE = "SLIPSTREAM_STACK"  # noqa: S105 - the name of a variable
Child = subprocess.Popen[bytes]
_children: dict[int, Child] = {}


def identity(pid: int) -> str | None:
    """Name a live process so that no other one, today or after a reboot, has the same name; None where it is gone.

    On Linux the start time is read in ticks since boot: psutil's wall-clock time moves when the clock is set.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists():
            return f"{process.create_time():.2f}"
        ticks = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (psutil.Error, OSError, IndexError):
        return None
    return f"{boot}:{ticks}"


def spawn(command: Sequence[str], *, environment: Mapping[str, str], log: Path, folder: Path) -> Child:
    """Start a command in a session of its own, its output appended to ``log``; what it writes is its owner's alone."""
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    _children[process.pid] = process  # a dropped Popen warns that its process still runs, which is what we want here
    return process


def family(leaders: Mapping[int, str], token: str | None = None) -> set[psutil.Process]:
    """Find every live process that came from ``leaders`` (pid to identity), or that carries ``token``."""
    found: set[psutil.Process] = set()
    sessions = {pid for pid, known in leaders.items() if not _taken_over(pid, known)}
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (_session(process.pid) in sessions or _carries(process, token)):
                found.add(process)
        except psutil.Error:
            continue
    for process in list(found):
        try:
            found.update(process.children(recursive=True))
        except psutil.Error:
            continue
    return {process for process in found if process.pid != os.getpid() and identity(process.pid) is not None}


def _taken_over(pid: int, known: str) -> bool:
    """Tell whether a pid now belongs to somebody else."""
    now = identity(pid)
    return now is not None and now != known


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _carries(process: psutil.Process, token: str | None) -> bool:
    if token is None:
        return False
    try:
        return process.environ().get(TOKEN_VARIABLE) == token
    except (psutil.Error, OSError):
        return False


def terminate(processes: Iterable[psutil.Process], *, first: signal.Signals = signal.SIGTERM, grace: float) -> None:
    """Signal processes, wait up to ``grace`` seconds, then kill what is left and wait until it is gone."""
    alive = set(processes)
    for send, patience in ((first, grace), (signal.SIGKILL, 10.0)):
        for process in alive:
            try:
                process.send_signal(send)
            except psutil.Error:
                continue
        alive = _await_end(alive, patience)
    reap()


def _await_end(processes: set[psutil.Process], patience: float) -> set[psutil.Process]:
    """Wait for processes to end; a zombie has ended, whether or not anybody collects it."""
    left = processes

    def ended() -> bool:
        nonlocal left
        reap()
        left = {process for process in left if process.is_running() and identity(process.pid) is not None}
        return not left

    wait_until(ended, patience)
    return left


def reap() -> None:
    """Collect our own ended children."""
    for pid, process in list(_children.items()):
        if process.poll() is not None:
            del _children[pid]


def wait_until(condition: Callable[[], bool], limit: float, *, pause: float = 0.05) -> bool:
    """Ask ``condition`` until it holds or ``limit`` seconds have passed; return what it said last."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True


def last_lines(log: Path, count: int = 15) -> str:
    """Return the end of a log."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 64 * 1024))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.strip().splitlines()[-count:]) or "(the log is empty)"
