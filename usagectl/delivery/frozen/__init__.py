"""Delivery by a frozen program: its own executable, started anew, sends and runs nothing else.

PyInstaller finds the hooks beside this module by itself. The one that it runs first in the
executable calls `begin`, before any code of the program's author; only a process that began so
starts its executable again, and that process ends in `begin`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "_USAGECTL_DELIVERS"
"""Tells the executable that it was started to send."""

_RESET = "PYINSTALLER_RESET_ENVIRONMENT"
"""Tells PyInstaller that this is no helper process of the program, whose files go with it."""

_INTERPRETERS = ("python", "pypy", "graalpy")


class _Executable(NamedTuple):
    """What a file is known by: another version of the program may not begin in the same way."""

    path: str
    inode: int
    changed: int


_begun: list[_Executable] = []


def begin() -> None:
    """Send and end, if the executable was started for that; else note that it can be."""
    if os.environ.pop(VARIABLE, None) is None:
        _begun.extend(_executables())
        return
    try:
        from usagectl.delivery import child

        child.main()
    finally:
        os._exit(0)  # Whatever went wrong, the program itself must not run.


def can_start_child() -> bool:
    """True if a process that sends can be started: by an interpreter, or by what began here."""
    return _is_interpreter() or (bool(_begun) and _begun == _executables())


def command() -> list[str]:
    """Return the command line of the process that sends; its variables are `variables`."""
    if _is_interpreter():
        return [sys.executable, "-P", "-m", "usagectl.delivery.child"]
    return [sys.executable]


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the process that sends."""
    if not _is_interpreter():
        return {**given, VARIABLE: "1", _RESET: "1"}
    # What can be imported here can be imported there: from a source folder, say.
    package = str(Path(__file__).resolve().parents[3])
    known = [package, *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(known)}


def hook_dirs() -> list[str]:
    """Name the folder of the hooks, for PyInstaller."""
    return [str(Path(__file__).parent)]


def _is_interpreter() -> bool:
    """True if the executable takes `-m`: it is neither frozen nor compiled, nor embeds Python."""
    if getattr(sys, "frozen", False) or "__compiled__" in globals():
        return False
    return Path(sys.executable or "").name.lower().startswith(_INTERPRETERS)


def _executables() -> list[_Executable]:
    """Describe the executable; nothing if it cannot be looked at."""
    try:
        found = Path(sys.executable).stat()
    except OSError:
        return []
    return [_Executable(sys.executable, found.st_ino, found.st_mtime_ns)]
