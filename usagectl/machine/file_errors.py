"""Refusals of the system: why a file could not be read or written, and a command that helps."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.errors import FileUnreadableError, FileUnwritableError, hint_of_folder, quote
from usagectl.machine import owners

if TYPE_CHECKING:
    from usagectl.machine.environment import Environment


def reason_of(error: Exception) -> str:
    """Return why the system refused, in its own words: `permission denied`."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return type(error).__name__


def unreadable(file: Path, error: Exception) -> FileUnreadableError:
    """Build the error of a file that the system does not let us read."""
    reason, hint = explain(file, error)
    return FileUnreadableError(file, reason=reason, hint=hint)


def unwritable(file: Path, error: Exception) -> FileUnwritableError:
    """Build the error of a file that the system does not let us write."""
    if isinstance(error, FileNotFoundError):
        reason, hint = _explain_no_place(file)
    else:
        reason, hint = explain(file, error)
    return FileUnwritableError(file, reason=reason, hint=hint)


def _explain_no_place(file: Path) -> tuple[str, str]:
    """Say why there is no place for a file: no folder, or one such as /proc that takes none."""
    if file.parent.is_dir():
        return f"no file can be made in {file.parent}", "mktemp -d"
    return f"there is no folder {file.parent}", f"mkdir -p {quote(str(file.parent))}"


def explain(path: Path, error: Exception, *, uid: int | None = None) -> tuple[str, str]:
    """Return why the system refused, and a command that helps; empty for the usual one."""
    reason = reason_of(error)
    number = error.errno if isinstance(error, OSError) else 0
    if number in (errno.ENOSPC, errno.EDQUOT):
        return reason, hint_of_full_disk(path)
    if number in (errno.EACCES, errno.EPERM):
        told, hint = explain_owner(path, uid=uid)
        return f"{reason}{told and '; '}{told}", hint
    return reason, ""


def hint_of_home(environment: Environment, path: Path | None) -> str:
    """Return the variable to set where a path lies in a home that is none; else nothing.

    System accounts have one that is not there, or the root folder, which is not theirs.
    """
    home = environment.home
    if path is None or home is None or not path.is_relative_to(home):
        return ""
    is_root = home == Path(home.anchor)
    is_fit = os.access(home, os.W_OK) if is_root else os.path.lexists(home)
    return "" if is_fit else hint_of_folder("HOME")


def hint_of_full_disk(path: Path) -> str:
    """Return the command that shows how full the disk of a path is."""
    there = next((each for each in (path, *path.parents) if os.path.isdir(each)), path)  # noqa: PTH112
    return f"df -h {quote(str(there))}"


def explain_owner(path: Path, *, uid: int | None = None) -> tuple[str, str]:
    """Say whose a path is that `sudo` left in a folder of this user; both empty where none is."""
    uid = owners.effective_uid() if uid is None else uid
    taken = owners.taken_from(path, uid=uid)
    if taken is None or uid is None:
        return "", ""
    place, owner = taken
    shown = "it" if place == path else str(place)
    return f"{shown} belongs to {owners.name_of(owner)}", owners.hint_to_own(str(place), uid)
