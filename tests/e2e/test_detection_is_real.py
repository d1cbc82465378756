"""Real packages, installed by pip and npm, are found with their versions: USAGECTL_E2E_ALL=1."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machine import Machine
from usagectl.machine.inventory import take
from usagectl.tools import detection

from .support import IS_WHOLE

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not IS_WHOLE, reason="takes packages from PyPI and npm: USAGECTL_E2E_ALL=1"),
]
NPM = {"turbo": "2.6.1", "@redocly/cli": "2.11.1"}
PYTHON = {"dlt": "1.18.2", "skypilot": "0.10.5"}


def install(*command: str, cwd: Path) -> None:
    """Install packages; nothing of theirs is run."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=600, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} could not install: {done.stderr[-300:].decode()}")


def npm(*words: str, cwd: Path) -> None:
    """Run npm without scripts of packages."""
    quiet = ("--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
    install("npm", "install", *quiet, *words, cwd=cwd)


@pytest.mark.parametrize("is_global", [False, True])
def test_packages_of_pip_and_npm_are_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, *, is_global: bool
) -> None:
    """All four are found by their programs, in the project or globally, in the right version."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)  # The installers may reach their registries.
    venv, prefix = machine.folder / "venv", machine.folder / "prefix"
    install(sys.executable, "-m", "venv", str(venv), cwd=machine.cwd)
    wanted = [f"{name}=={version}" for name, version in PYTHON.items()]
    install(str(venv / "bin" / "python"), *("-m", "pip", "install", "--no-deps"), *wanted, cwd=venv)
    packages = [f"{name}@{version}" for name, version in NPM.items()]
    npm(*(["--global", f"--prefix={prefix}"] if is_global else []), *packages, cwd=machine.cwd)
    machine.variables["PATH"] = os.pathsep.join([str(venv / "bin"), str(prefix / "bin")])
    environment = machine.environment()
    found = detection.found(environment, stock=take(environment))
    versions = {name: each.version for name, each in found.items()}
    assert versions == {
        "dlt": PYTHON["dlt"],
        "redocly": NPM["@redocly/cli"],
        "skypilot": PYTHON["skypilot"],
        "turbo": NPM["turbo"],
    }
    assert {each.executable.name for each in found.values() if each.executable} == {
        *("dlt", "redocly", "sky", "turbo"),
    }
