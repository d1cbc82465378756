"""Owners: who owns a file, who else could have written it, whose a new one becomes.

Nobody is asked on a system without owners, where the environment has no user's number.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.errors import quote
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Collection

    from usagectl.machine.environment import Environment

ROOT = 0


def name_of(uid: int) -> str:
    """Name a user, by the number where the account database has no name."""
    with suppress(ImportError, KeyError):
        import pwd  # Windows lacks it

        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"


def hint_to_own(path: str, uid: int) -> str:
    """Return the command that gives a user what another one owns."""
    return f"sudo chown -R {name_of(uid)} {quote(path)}"


def trusted(environment: Environment) -> frozenset[int]:
    """Return the users whose files are obeyed: this one, root, and for root the home's owner."""
    if environment.uid is None:
        return frozenset()
    found = {ROOT, environment.uid}
    if environment.uid == ROOT and (home := environment.home) is not None:
        with suppress(OSError, ValueError):
            found.add(os.stat(home).st_uid)  # noqa: PTH116  (each command asks: pathlib is slow)
    return frozenset(found)


class Doubt(Value):
    """Why a file may not be the user's own word, and a command that mends it."""

    reason: str
    hint: str


def doubt_of(environment: Environment, file: Path, *, owner: int | None = None) -> Doubt | None:
    """Say how another user could have written a file that is there; None if none could.

    The file counts, a link's target, and the folder of each: its owner can replace both.
    `owner` is who should have it, else this user.
    """
    places = _places_of(str(file)) if environment.uid is not None else ()
    known = trusted(environment) if places else frozenset()
    mine = (environment.uid or ROOT) if owner is None else owner
    for path in places:
        shown = "it" if path == str(file) else path
        with suppress(OSError, ValueError):
            for found in (os.lstat(path), os.stat(path)):  # noqa: PTH116  (as above)
                if found.st_uid not in known:
                    reason = f"{shown} belongs to {name_of(found.st_uid)}"
                    return Doubt(reason, hint_to_own(path, mine))
                if _is_open(found, own_groups={ROOT, found.st_uid, environment.uid}):
                    hint = f"chmod go-w {quote(path)}"
                    return Doubt(f"other users may write to {shown}", hint)
    return None


def _places_of(file: str) -> list[str]:
    if not os.path.lexists(file):
        return []
    folders = [os.path.dirname(file)]  # noqa: PTH120  (as above)
    if os.path.islink(file):  # noqa: PTH114  (never raises)
        folders.append(os.path.dirname(os.path.realpath(file)))  # noqa: PTH120
    return [file, *folders]


def _is_open(found: os.stat_result, *, own_groups: Collection[int | None]) -> bool:
    """True if others may write; in a folder such as /tmp they may only add files of their own.

    A group of a user's number is that user's own (a user private group).
    """
    if stat.S_ISLNK(found.st_mode) or (
        stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    ):
        return False
    is_group_open = found.st_mode & stat.S_IWGRP and found.st_gid not in own_groups
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


def effective_uid() -> int | None:
    """Return the number of the user who runs this process; None on a system without one."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def taken_from(path: Path, *, uid: int | None) -> tuple[Path, int] | None:
    """Find what belongs to another user in a folder of this one's, as after `sudo`.

    Returns:
        The uppermost such path on the way to `path`, and its owner; None where there is none.
    """
    found = None
    if uid not in (None, ROOT):
        with suppress(OSError, ValueError):
            there = [each for each in (path, *path.parents) if os.path.lexists(each)]
            owned = [(each, each.lstat().st_uid) for each in there]
            for (below, owner), (_, above) in pairwise(owned):
                if owner != uid and above == uid:
                    found = below, owner
    return found


def foreign_link(path: Path, *, uid: int | None) -> Path | None:
    """Find a link on the way that root must not follow: whoever made it would lead root's hand."""
    if uid != ROOT:
        return None
    place, below = str(path), ""
    while place != below:
        with suppress(OSError, ValueError):
            found = os.lstat(place)
            if stat.S_ISLNK(found.st_mode) and found.st_uid != ROOT:
                return Path(place)
        place, below = os.path.dirname(place), place  # noqa: PTH120  (as above)
    return None


def give_away(path: Path) -> None:
    """Give what root made to the owner of its folder: `sudo` must leave nothing in a home."""
    if effective_uid() == ROOT:
        folder = path.parent.stat()
        if folder.st_uid != ROOT:
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)
