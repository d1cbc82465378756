"""Real clients: LocalStack of several versions, and a Node tool.

Each is installed once in a folder of its own, in one cache, and kept. One that cannot be
installed is a `ClientUnavailableError`.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from .support import CLIENT_VERSION, Client

VENV_VARIABLE: Final = "USAGECTL_E2E_LOCALSTACK"
COMPLETE_MARK: Final = "usagectl-complete"
INSTALL_LIMIT_SECONDS: Final = 600.0  # only an installer that hangs meets it
NODE_PACKAGE: Final = "gatsby-telemetry"
NODE_PACKAGE_VERSION: Final = "3.25.0"


class ClientUnavailableError(Exception):
    """A real client could not be installed here."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of LocalStack's client, and what else its venv needs to run today."""

    version: str
    also: tuple[str, ...] = ()


CURRENT: Final = Release(CLIENT_VERSION, (f"localstack-core=={CLIENT_VERSION}",))
# Newer plux and setuptools no longer have the modules that it imports.
OLDER: Final = Release("1.4.0", ("plux==1.3.1", "setuptools<70"))
NEWER: Final = Release("2026.8.2")


def find_or_make_venv() -> Path:
    """Return the venv that `USAGECTL_E2E_LOCALSTACK` names, else one of our own."""
    named = os.environ.get(VENV_VARIABLE)
    return Path(named) if named else find_or_make_client(CURRENT).venv_dir


def find_or_make_client(release: Release) -> Client:
    """Return the client of a version."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"

    install = partial(_install_python, [f"localstack=={release.version}", *release.also])
    return Client(_prepare(f"localstack-{release.version}-{python}", install))


def find_or_make_python_tool(name: str, version: str) -> Path:
    """Return the Python in whose environment a distribution is installed."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"

    install = partial(_install_python, [f"{name}=={version}"])
    return _prepare(f"{name}-{version}-{python}", install) / "bin" / "python"


def find_or_make_node_tool(name: str, version: str) -> Path:
    """Return the folder of modules in which an npm package is installed."""
    return _prepare(f"{name}-{version}", _installer_of(f"{name}@{version}")) / "node_modules"


def find_or_make_packages(name: str, packages: Mapping[str, Sequence[str]]) -> Path:
    """Return the folder of the programs of some packages, all of `npm` or all of `python`."""
    if "npm" in packages:
        folder = _prepare(f"verify-{name}", _installer_of(*packages["npm"]))
        return folder / "node_modules" / ".bin"
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    install = partial(_install_python, packages["python"])
    return _prepare(f"verify-{name}-{python}", install) / "bin"


def find_or_make_newer_node() -> Path:
    """Return the folder of a Node.js that the newest tools take."""
    return _prepare("node-22", _installer_of("node@22")) / "node_modules/node/bin"


def find_node() -> Path:
    """Return Node's program."""
    return Path(_which("node"))


def find_or_make_node_package() -> Path:
    """Return the folder that a script can `require` the Node tool's package from."""
    return find_or_make_node_tool(NODE_PACKAGE, NODE_PACKAGE_VERSION) / NODE_PACKAGE


def _install_python(packages: Sequence[str], folder: Path) -> None:
    _run_step([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run_step([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages])


def _installer_of(*packages: str) -> Callable[[Path], None]:
    npm = _which("npm")

    def install(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        flags = ["--no-audit", "--no-fund", "--no-update-notifier"]
        flags += [] if "node@22" in packages else ["--ignore-scripts"]  # Its script links it.
        _run_step([npm, "install", *flags, "--prefix", str(folder), *packages])

    return install


def _which(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        message = f"there is no {name} on PATH"
        raise ClientUnavailableError(message)
    return found


def _prepare(name: str, install: Callable[[Path], None]) -> Path:
    """Fill a folder once; one without its mark was left half-way and is made anew.

    Only one process works at it, the others wait.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "usagectl-e2e"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with (cache / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (folder / COMPLETE_MARK).exists():
            install(folder)
            (folder / COMPLETE_MARK).touch()
    return folder


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
