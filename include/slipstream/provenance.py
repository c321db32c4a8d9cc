"""What a training was made with: code, lock, libraries."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "skops", "mlflow", "duckdb", "deltalake")
REQUIRED = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")
_GIT_SECONDS = 10


@functools.lru_cache(maxsize=8)
def code_version(project: Path) -> str:
    """Return the git commit of the project, with ``-dirty`` for tracked changes; else the installed version."""
    git = shutil.which("git")
    if git and (project / ".git").exists():
        commit = _git(git, project, "rev-parse", "HEAD")
        changed = _git(git, project, "status", "--porcelain", "--untracked-files=no")
        if commit:
            return f"{commit}-dirty" if changed or changed is None else commit
    return f"slipstream {_installed('slipstream')}"


def committed(project: Path, text: str) -> bool:
    """Tell whether the project's git repository holds a file of exactly this text, at any commit and place."""
    git = shutil.which("git")
    if not git or not (project / ".git").exists():
        return False
    content = text.encode()
    name = hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()  # as git names it
    return _git(git, project, "cat-file", "-e", name) is not None


def _git(git: str, project: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            [git, "-C", str(project), "--no-optional-locks", *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.lru_cache(maxsize=8)
def lock_digest(project: Path) -> str:
    """Return the SHA-256 (hex) of requirements.lock; empty where the project has none."""
    try:
        return hashlib.sha256((project / "requirements.lock").read_bytes()).hexdigest()
    except OSError:
        return ""


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a fit depends on."""
    return {"python": platform.python_version(), **{name: _installed(name) for name in LIBRARIES}}


def pip_requirements() -> list[str]:
    """Return what a model needs to be loaded, pinned to what it was fitted with."""
    return [f"{name}=={_installed(name)}" for name in REQUIRED]


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
