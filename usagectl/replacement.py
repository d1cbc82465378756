"""Own how the machine ID is replaced or removed, in every place at once.

The new ID is written so that the client takes it (facts, part 4). Nothing that
cannot be understood is lost, and no link leads the writing elsewhere.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from usagectl import identity
from usagectl.errors import FolderUnknownError, LinkOutsideError, StateError
from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.identity import MachineId
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import IdentityFile

_SHARED_MODE = 0o644
"""The container reads the file of the command line, perhaps as another user."""


class Replacement(NamedTuple):
    """Hold what was done (or is planned) at one place.

    Attributes:
        place: the file.
        before: what stood there.
        after: the new ID; None when it is removed.
        changed: whether the file is other than before.
        set_aside: where a file that could not be understood went.
        problem: why nothing was changed, else empty.
    """

    place: IdentityFile
    before: MachineId
    after: str | None
    changed: bool
    set_aside: Path | None = None
    problem: StateError | None = None


def plan_reset(environment: Environment) -> dict[str, str]:
    """Choose a new ID for each tool; LocalStack and lstk get others, so nothing links them."""
    names = dict.fromkeys(place.tool for place in identity.places(environment))
    return {name: identity.new_random(environment) for name in names}


def replace(
    environment: Environment,
    bodies: dict[str, str],
    *,
    prefix: str = "gen_",
    dry_run: bool = False,
) -> tuple[Replacement, ...]:
    """Write a machine ID into every place that exists, and into each tool's primary one.

    Other keys and the mode of a file stay; a file that cannot be understood
    is set aside; a link out of its folder is not followed. One process does
    this at a time, so that all places agree.

    Args:
        environment: whose places.
        bodies: for each tool the ID without its prefix.
        prefix: what goes before it in the places that hold whole IDs.
        dry_run: change nothing.

    Raises:
        LockTimeoutError: another process kept the places locked.
    """
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(files.lock(_lock_folder(environment)))
        targets = [place for place in identity.places(environment) if place.tool in bodies]
        return tuple(
            _replace_one(environment, place, whole=_whole(place, bodies, prefix), dry_run=dry_run)
            for place in targets
            if place.is_primary or os.path.lexists(place.path)
        )


def _whole(place: IdentityFile, bodies: dict[str, str], prefix: str) -> str:
    body = bodies[place.tool]
    if place.form == "bare":  # lstk puts the prefix before what it reads.
        return body.removeprefix("gen_") or body
    return prefix + body


def _lock_folder(environment: Environment) -> Path:
    """Choose one folder that every process of this user locks, before any place is touched."""
    if environment.state_dir is not None:
        return environment.state_dir
    folder = identity.cache_dir(environment)[0]
    return next(path for path in (folder, *folder.parents) if os.path.isdir(path))  # noqa: PTH112


def _replace_one(
    environment: Environment, place: IdentityFile, *, whole: str, dry_run: bool
) -> Replacement:
    before = identity.read(place)
    if before.value == whole:
        return Replacement(place, before, whole, changed=False)
    aside = None
    try:
        _refuse_folder_named_home(environment, place)
        _refuse_link_outside(place.path)
        if dry_run:
            return Replacement(place, before, whole, changed=True)
        aside = _set_aside_if_corrupt(environment, before)
        files.replace_bytes(place.path, _render(place, whole), new_mode=_SHARED_MODE)
    except StateError as error:
        if aside is not None and files.put_back(aside, place.path):
            aside = None
        return Replacement(place, before, whole, changed=False, set_aside=aside, problem=error)
    return Replacement(place, before, whole, changed=True, set_aside=aside)


def _refuse_folder_named_home(environment: Environment, place: IdentityFile) -> None:
    """Refuse to make what the client would make without any home: a folder named "~"."""
    if environment.home is not None or os.path.lexists(place.path):
        return
    if place.path.is_relative_to(environment.cwd / "~"):
        raise FolderUnknownError("LocalStack's machine ID", variable="XDG_CACHE_HOME")


def _refuse_link_outside(path: Path) -> None:
    # os.path answers where pathlib raises: a folder that may not be searched, a loop of links.
    if not os.path.islink(path):  # noqa: PTH114
        return
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(path.parent)):
        raise LinkOutsideError(path, target=target)


def _set_aside_if_corrupt(environment: Environment, before: MachineId) -> Path | None:
    if before.kind != "unreadable":
        return None
    return files.set_aside(before.place.path, environment.now())


def _render(place: IdentityFile, whole: str) -> bytes:
    if place.form == "bare":
        return whole.encode()
    data = files.read_bytes(place.path)
    document = identity.parse_document(data) if data is not None else {}
    document["machine_id"] = whole
    return json.dumps(document).encode()


def clear(environment: Environment, *, dry_run: bool = False) -> tuple[Replacement, ...]:
    """Remove the ID's file from every place; nothing else in those folders is touched.

    Raises:
        LockTimeoutError: another process kept the places locked.
    """
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(files.lock(_lock_folder(environment)))
        return tuple(
            _clear_one(environment, place, dry_run=dry_run)
            for place in identity.places(environment)
            if os.path.lexists(place.path)
        )


def _clear_one(environment: Environment, place: IdentityFile, *, dry_run: bool) -> Replacement:
    before = identity.read(place)
    try:
        _refuse_link_outside(place.path)
        if dry_run:
            return Replacement(place, before, None, changed=True)
        aside = _set_aside_if_corrupt(environment, before)
        if aside is None:
            files.remove(place.path)
    except StateError as error:
        return Replacement(place, before, None, changed=False, problem=error)
    return Replacement(place, before, None, changed=True, set_aside=aside)


def failures(replacements: Sequence[Replacement]) -> list[StateError]:
    """List what went wrong."""
    return [found.problem for found in replacements if found.problem is not None]
