"""Find the venv with the real LocalStack CLI, or make it once and keep it.

Owns where that venv lives and what is installed in it.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .support import CLIENT_VERSION

VENV_VARIABLE: Final = "USAGECTL_E2E_LOCALSTACK"
REQUIREMENTS: Final = (f"localstack=={CLIENT_VERSION}", f"localstack-core=={CLIENT_VERSION}")
COMPLETE_MARK: Final = "usagectl-complete"


class ClientUnavailableError(Exception):
    """The real client could not be installed here."""


def find_or_make_venv() -> Path:
    """Answer the venv that `USAGECTL_E2E_LOCALSTACK` names, else one of our own.

    Raises:
        ClientUnavailableError: pip could not install it.
    """
    named = os.environ.get(VENV_VARIABLE)
    if named:
        return Path(named)
    return make_venv(_cache_dir())


def make_venv(cache_dir: Path) -> Path:
    """Install the client below `cache_dir`, unless that was done before.

    Only one process works at it, the others wait. A venv without its mark was left
    half-way and is made anew.

    Raises:
        ClientUnavailableError: pip could not install it.
    """
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    venv_dir = cache_dir / f"localstack-{CLIENT_VERSION}-{python}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _hold_lock(cache_dir / f"{venv_dir.name}.lock"):
        if not (venv_dir / COMPLETE_MARK).exists():
            _run_step([sys.executable, "-m", "venv", "--clear", str(venv_dir)])
            pip = [str(venv_dir / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _run_step([*pip, *REQUIREMENTS])
            (venv_dir / COMPLETE_MARK).touch()
    return venv_dir


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "usagectl-e2e"


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_step(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClientUnavailableError(done.stderr.strip() or done.stdout.strip())
