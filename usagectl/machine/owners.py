"""Owners: who owns a file, and who else could have written it.

Nobody is asked on a system without owners, where the environment has no user's number.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import quote

if TYPE_CHECKING:
    from usagectl.machine.environment import Environment

ROOT = 0


def name_of(uid: int) -> str:
    """Name a user, by the number where the account database has no name."""
    with suppress(ImportError, KeyError):
        import pwd  # Windows lacks it

        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"


def trusted(environment: Environment) -> frozenset[int]:
    """Return the users whose files are obeyed: this one, root, and for root the home's owner."""
    if environment.uid is None:
        return frozenset()
    found = {ROOT, environment.uid}
    if environment.uid == ROOT and environment.home is not None:
        with suppress(OSError, ValueError):
            found.add(environment.home.stat().st_uid)
    return frozenset(found)


class Doubt(NamedTuple):
    """Why a file may not be the user's own word, and a command that mends it."""

    reason: str
    hint: str


def doubt_of(environment: Environment, file: Path) -> Doubt | None:
    """Say how another user could have written a file that is there; None if none could.

    The file counts, a link's target, and the folder of each: its owner can replace both.
    """
    known = trusted(environment)
    for path in _places_of(file) if known else ():
        with suppress(OSError, ValueError):
            for found in (path.lstat(), path.stat()):
                if found.st_uid not in known:
                    return _taken(environment, path, found.st_uid)
                if _is_open(found):
                    hint = f"chmod go-w {quote(str(path))}"
                    return Doubt(f"other users may write to {path}", hint)
    return None


def _places_of(file: Path) -> list[Path]:
    if not os.path.lexists(file):
        return []
    folders = [file.parent, Path(os.path.realpath(file)).parent]
    return [file, *dict.fromkeys(folders)]


def _taken(environment: Environment, path: Path, owner: int) -> Doubt:
    mine = name_of(environment.uid or ROOT)
    hint = f"sudo chown -R {mine} {quote(str(path))}"
    return Doubt(f"{path} belongs to {name_of(owner)}", hint)


def _is_open(found: os.stat_result) -> bool:
    """True if others may write; in a folder such as /tmp they may only add files of their own.

    A group of the same number as its owner is his own (a user private group).
    """
    if stat.S_ISLNK(found.st_mode) or (
        stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    ):
        return False
    is_group_open = found.st_mode & stat.S_IWGRP and found.st_gid not in (ROOT, found.st_uid)
    return bool(found.st_mode & stat.S_IWOTH or is_group_open)


def why_ignored(environment: Environment, file: Path) -> str:
    """Say why a project file is not read: others may write to its folder, and one of them did."""
    known = trusted(environment)
    if known:
        with suppress(OSError, ValueError):
            folder, owner = file.parent.stat(), file.lstat().st_uid
            if owner not in known and folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return f"others may write to its folder, and it belongs to {name_of(owner)}"
    return ""
