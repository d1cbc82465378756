"""Real tools of the catalogue that are installed on demand: USAGECTL_E2E_TOOLS=1."""

import os
import subprocess
from collections.abc import Callable, Sequence

import pytest

from .client_venv import ClientUnavailableError, find_or_make_python_tool


def on_demand(*namespaces: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a test that needs real tools, and namespaces that `unshare` makes."""
    done = subprocess.run([*namespaces, "true"], capture_output=True, check=False)
    return [
        pytest.mark.skipif(os.environ.get("USAGECTL_E2E_TOOLS") != "1", reason="runs on demand"),
        pytest.mark.skipif(
            done.returncode != 0, reason="no network namespace can be made here (unshare)"
        ),
    ]


def python(package: str, version: str, *words: str) -> Callable[[], Sequence[str]]:
    """Return what installs a distribution, and runs words with the Python that has it."""
    return lambda: (str(find_or_make_python_tool(package, version)), *words)


def installed(command: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Return a command whose program is installed now, else skip."""
    try:
        return command()
    except ClientUnavailableError as error:
        pytest.skip(str(error))
