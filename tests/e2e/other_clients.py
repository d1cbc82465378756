"""Find or make what other clients need: LocalStack of other versions, a Node tool.

Owns where they live and what is installed there: each in a folder of its own, in the
cache that the real client is in, made once and kept.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .client_venv import COMPLETE_MARK, ClientUnavailableError
from .support import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSTALL_LIMIT_SECONDS: Final = 600.0  # only an installer that hangs meets it
NODE_PACKAGE: Final = "gatsby-telemetry"
NODE_PACKAGE_VERSION: Final = "3.25.0"


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the real client, and what else its venv needs to run today."""

    version: str
    also: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is told."""
        return (f"localstack=={self.version}", *self.also)


# Newer plux and setuptools no longer have the modules that it imports.
OLDER: Final = Release("1.4.0", ("plux==1.3.1", "setuptools<70"))
NEWER: Final = Release("2026.8.2")


def find_or_make_client(release: Release, cache_dir: Path | None = None) -> Client:
    """Answer the real client of a version.

    Raises:
        ClientUnavailableError: pip could not install it.
    """
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"

    def install(folder: Path) -> None:
        _run_step([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run_step([*pip, *release.requirements])

    return Client(_prepare(f"localstack-{release.version}-{python}", install, cache_dir))


def find_node() -> Path:
    """Answer Node's program.

    Raises:
        ClientUnavailableError: there is none.
    """
    node = shutil.which("node")
    if node is None:
        raise ClientUnavailableError("there is no node on PATH")
    return Path(node)


def find_or_make_node_package(cache_dir: Path | None = None) -> Path:
    """Answer the folder that a script can `require` the Node tool's package from.

    Raises:
        ClientUnavailableError: npm could not install it.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ClientUnavailableError("there is no npm on PATH")

    def install(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        package = f"{NODE_PACKAGE}@{NODE_PACKAGE_VERSION}"
        _run_step([npm, "install", *flags, "--prefix", str(folder), package])

    name = f"{NODE_PACKAGE}-{NODE_PACKAGE_VERSION}"
    return _prepare(name, install, cache_dir) / "node_modules" / NODE_PACKAGE


def _prepare(name: str, install: Callable[[Path], None], cache_dir: Path | None) -> Path:
    """Have a folder filled once; one without its mark was left half-way and is made anew."""
    cache = cache_dir or _find_cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with _hold_lock(cache / f"{name}.lock"):
        if not (folder / COMPLETE_MARK).exists():
            install(folder)
            (folder / COMPLETE_MARK).touch()
    return folder


def _find_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "usagectl-e2e"


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_step(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClientUnavailableError(str(error)) from error
    if done.returncode != 0:
        raise ClientUnavailableError(done.stderr.strip() or done.stdout.strip())
