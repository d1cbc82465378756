"""Machine IDs: where each tool keeps its own, what is stored there, how it is replaced or removed.

A file is read, and written, as its client does (facts, part 4). A file that cannot be
understood is set aside, never lost, and no link leads the writing elsewhere.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from usagectl.errors import (
    FileUnreadableError,
    FolderUnknownError,
    InvalidValueError,
    LinkOutsideError,
    StateError,
)
from usagectl.machine import files
from usagectl.tools.base import new_random_id
from usagectl.tools.registry import known
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Caution, IdentityFile, Source

Kind = Literal[
    "random",
    "docker-derived",
    "system-derived",
    "short",
    "custom",
    "derived",
    "account",
    "missing",
    "unreadable",
]

_KINDS: Mapping[str, Kind] = {
    r"(?:gen_)?[0-9a-f]{8}-[0-9a-f]{3}": "random",
    r"dkr_[0-9a-f]{12}": "docker-derived",
    r"sys_[0-9a-f]{12}": "system-derived",
    r"[0-9a-f]{8}": "short",
}
"""The shapes of facts, part 4."""

_VALID = r"[A-Za-z0-9_.-]{1,64}"
_MAX_LEVELS = 100
_SHARED_MODE = 0o644
"""The container reads the file of the command line, perhaps as another user."""


class MachineId(Value):
    """What one place holds."""

    place: IdentityFile  # The file.
    value: object  # The ID as the client would send it, any JSON value; None without one.
    kind: Kind  # What the value is.
    problem: str = ""  # Why the file cannot be read or understood, else empty.

    @property
    def exists(self) -> bool:
        """True if the file holds an ID or cannot be understood."""
        return self.kind != "missing"


class Replacement(Value):
    """What was done (or is planned) at one place."""

    place: IdentityFile  # The file.
    before: MachineId  # What stood there.
    after: str | None  # The new ID; None when it is removed.
    changed: bool  # Whether the file is other than before.
    set_aside: Path | None = None  # Where a file that could not be understood went.
    problem: StateError | None = None  # Why nothing was changed, else None.


def places(environment: Environment) -> tuple[IdentityFile, ...]:
    """Name every place in which a tool keeps its ID, each file once."""
    found = [place for tool in known(environment) for place in tool.identity_files(environment)]
    first = {place.path: place for place in reversed(found)}
    return tuple(place for place in found if first[place.path] is place)


def cache_dir(environment: Environment) -> tuple[Path, Source]:
    """Name the folder of LocalStack's ID, and what chose it."""
    return folder_of(places(environment))


def folder_of(found: Sequence[IdentityFile]) -> tuple[Path, Source]:
    """Name the folder of the first of all places, and what chose it."""
    return found[0].path.parent, found[0].source


def cautions(environment: Environment) -> list[tuple[str, Caution]]:
    """Warn of each tool that does not heed its own file, beside the tool's name."""
    return [
        (tool.name, caution)
        for tool in known(environment)
        for caution in tool.identity_cautions(environment)
    ]


def read(place: IdentityFile) -> MachineId:
    """Read one place as its client does; a problem is part of the answer."""
    try:
        data = files.read_bytes(place.path)
    except FileUnreadableError as error:
        return MachineId(place, None, "unreadable", error.message)
    if data is None:
        return MachineId(place, None, "missing")
    if place.form == "bare":
        text = data.decode("utf-8", errors="replace")
        return MachineId(place, text, kind_of(text)) if text else MachineId(place, None, "missing")
    try:
        document = _parse_document(data)
    except ValueError:
        problem = f"{place.path} cannot be understood: it is no JSON object."
        return MachineId(place, None, "unreadable", problem)
    if "machine_id" not in document:
        return MachineId(place, None, "missing")
    value = document["machine_id"]
    return MachineId(place, value, kind_of(value))


def read_all(environment: Environment) -> tuple[MachineId, ...]:
    """Read every place."""
    return tuple(read(place) for place in places(environment))


def of_part(part: Consent, machine_ids: Sequence[MachineId]) -> MachineId | None:
    """Return the ID that a tool part uses; None for a tool without one."""
    same = [mid for mid in machine_ids if mid.place.tool == part.tool]
    shared = (mid for mid in same if mid.place.is_shared and mid.exists)
    own = [mid for mid in same if mid.place.part == part.part]
    there = (mid for mid in own if mid.exists)
    return next(shared, None) or next(there, None) or next(iter(own), None)


def _parse_document(data: bytes) -> dict[str, object]:
    """Turn a file's bytes into the mapping that the client would hold.

    The client feeds any JSON value to `dict.update`, so a list of pairs works too.

    Raises:
        ValueError: the client would remove the file and start afresh.
    """
    document: dict[str, object] = {}
    try:
        document.update(json.loads(data.decode("utf-8")))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(type(error).__name__)) from error
    if _is_deep(document):
        message = f"it nests deeper than {_MAX_LEVELS} levels"
        raise ValueError(message)
    return document


def _is_deep(document: object) -> bool:
    """True if a value nests so deep that showing it may fail where reading did not."""
    level: list[Any] = [document]
    for _ in range(_MAX_LEVELS):
        below = [parent.values() if isinstance(parent, dict) else parent for parent in level]
        level = [each for each in chain.from_iterable(below) if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def kind_of(value: object) -> Kind:
    """Name the kind of an ID by its shape."""
    text = value if isinstance(value, str) else ""
    return next((kind for pattern, kind in _KINDS.items() if re.fullmatch(pattern, text)), "custom")


def validate(text: str) -> str:
    """Return an ID that a person typed.

    Raises:
        InvalidValueError: it is empty, too long, or has characters no client writes.
    """
    if not re.fullmatch(_VALID, text):
        wanted = "use 1 to 64 letters, digits, '_', '-' or '.'"
        raise InvalidValueError("machine ID", text[:64], wanted=wanted)
    return text


def plan_reset(environment: Environment) -> dict[str, str]:
    """Choose a new ID for each tool; no two get the same, so that nothing links them."""
    names = dict.fromkeys(place.tool for place in places(environment))
    return {name: new_random_id(environment) for name in names}


def replace(
    environment: Environment,
    bodies: Mapping[str, str],
    *,
    prefix: str = "gen_",
    dry_run: bool = False,
) -> tuple[Replacement, ...]:
    """Write a machine ID into every place that exists, and into each tool's primary one.

    Other keys and the mode of a file stay; a file that cannot be understood
    is set aside; a link out of its folder is not followed. One process does
    this at a time, so that all places agree.

    `bodies` has for each tool the ID without its prefix; `prefix` goes before it in the
    places that hold whole IDs.

    Raises:
        LockTimeoutError: another process kept the places locked.
    """
    with locked(environment, dry_run=dry_run):
        return tuple(
            _put(environment, place, _whole(place, bodies, prefix), dry_run=dry_run)
            for place in places(environment)
            if place.tool in bodies and (place.is_primary or os.path.lexists(place.path))
        )


def clear(environment: Environment, *, dry_run: bool = False) -> tuple[Replacement, ...]:
    """Remove the ID's file from every place; nothing else in those folders is touched.

    Raises:
        LockTimeoutError: another process kept the places locked.
    """
    with locked(environment, dry_run=dry_run):
        return tuple(
            _put(environment, place, None, dry_run=dry_run)
            for place in places(environment)
            if os.path.lexists(place.path)
        )


def failures(replacements: Sequence[Replacement]) -> list[StateError]:
    """List what went wrong."""
    return [found.problem for found in replacements if found.problem is not None]


def locked(environment: Environment, *, dry_run: bool) -> AbstractContextManager[object]:
    """Lock one folder that every process of this user locks, before any place is touched."""
    folder = environment.state_dir
    return nullcontext() if dry_run or folder is None else files.lock(folder)


def _whole(place: IdentityFile, bodies: Mapping[str, str], prefix: str) -> str:
    body = bodies[place.tool]
    if place.form == "bare":  # Its client puts the prefix before what it reads.
        return body.removeprefix("gen_") or body
    return prefix + body


def _put(
    environment: Environment, place: IdentityFile, whole: str | None, *, dry_run: bool
) -> Replacement:
    """Write an ID into one place; without one remove the file."""
    before = read(place)
    if whole is not None and before.value == whole:
        return Replacement(place, before, whole, changed=False)
    aside = None
    try:
        if whole is not None:
            _refuse_folder_named_home(environment, place)
        _refuse_link_outside(place.path)
        if dry_run:
            return Replacement(place, before, whole, changed=True)
        if before.kind == "unreadable":
            aside = files.set_aside(place.path, environment.now())
        if whole is not None:
            files.replace_bytes(place.path, _render(place, whole), new_mode=_SHARED_MODE)
        elif aside is None:
            files.remove(place.path)
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


def _render(place: IdentityFile, whole: str) -> bytes:
    if place.form == "bare":
        return whole.encode()
    data = files.read_bytes(place.path)
    document = _parse_document(data) if data is not None else {}
    document["machine_id"] = whole
    return json.dumps(document).encode()
