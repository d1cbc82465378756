"""Test runners: what shows that one of them runs this process, and the same without it.

A program that another one starts is known to run in a test by the variables that it
inherits, a program within the test's own process by the calls that led to it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

VARIABLES = (
    *("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_WORKER"),
    *("TOX_ENV_NAME", "NOX_CURRENT_SESSION", "BATS_TEST_NAME", "BATS_TEST_FILENAME"),
    *("CRAMTMP", "BAZEL_TEST", "JEST_WORKER_ID", "VITEST", "MESON_TEST_ITERATION"),
    *("HARNESS_ACTIVE", "NEXTEST", "NODE_TEST_CONTEXT", "AUTOPKGTEST_TMP"),
)
"""Variables that test runners set for what they run; no other program sets them."""

_MODULES = (
    *("_pytest", "pytest", "unittest", "doctest", "nose.core", "nose2", "twisted.trial"),
    *("behave.runner", "robot.running", "ward._run"),
)
"""Modules of test runners, with all below them; a program of yours may be named `robot`."""

_NO_RUNNER = "unittest.mock"
"""A part of unittest that programs use outside of tests too."""


def find(variables: Mapping[str, str]) -> str:
    """Name the variable or the module of the test runner that runs this process; else nothing."""
    found = next((name for name in VARIABLES if variables.get(name)), "")
    return found or _find_caller() or _find_main()


def without(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those of test runners."""
    return {name: value for name, value in variables.items() if name not in VARIABLES}


def _find_caller() -> str:
    """Name the test runner among the callers of this thread, or of the main one."""
    main = threading.main_thread().ident
    stacks = (sys._getframe(), sys._current_frames().get(main or 0))  # noqa: SLF001  (documented)
    return next((name for stack in stacks for frame in _up(stack) if (name := _name(frame))), "")


def _find_main() -> str:
    """Name the test runner that `python -m` started; in the end nobody is called by it any more."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return _runner_of(str(getattr(spec, "name", "")))


def _up(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _name(frame: FrameType) -> str:
    """Name the test runner that a frame is of; `click.testing`, for one, has a `CliRunner`."""
    module = str(frame.f_globals.get("__name__", ""))
    if module.endswith(".testing") and "CliRunner" in frame.f_globals:
        return module
    if module == _NO_RUNNER:
        return ""
    return _runner_of(module)


def _runner_of(module: str) -> str:
    return next((name for name in _MODULES if f"{module}.".startswith(f"{name}.")), "")
