"""Own the machine ID: where each tool keeps it, what it holds, of which kind it is.

A file is read as the client reads it (facts, part 4). Nothing is derived from
this machine except where `derive` says what the client itself would derive.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl import settings, tools
from usagectl.errors import (
    FileUnreadableError,
    InvalidValueError,
)
from usagectl.machine import files
from usagectl.tools.base import IdentityFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Source
    from usagectl.tools.localstack_rules import Rules

Kind = Literal[
    "random", "docker-derived", "system-derived", "short", "custom", "missing", "unreadable"
]

_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"gen_[0-9a-f]{8}-[0-9a-f]{3}", "random"),
    (r"dkr_[0-9a-f]{12}", "docker-derived"),
    (r"sys_[0-9a-f]{12}", "system-derived"),
    (r"[0-9a-f]{8}", "short"),
    (r"[0-9a-f]{8}-[0-9a-f]{3}", "random"),
)
"""The shapes of facts, part 4; compiled when the first ID is met."""

_VALID = r"[A-Za-z0-9_.-]{1,64}"
_SALT = "ls"
_MAX_LEVELS = 100


class MachineId(NamedTuple):
    """Hold what one place says.

    Attributes:
        place: the file.
        value: the ID as the client would send it; None when there is none. A
            file may hold any JSON value; the client sends it unchecked.
        kind: what the value is.
        problem: why the file cannot be read or understood, else empty.
    """

    place: IdentityFile
    value: object
    kind: Kind
    problem: str = ""

    @property
    def exists(self) -> bool:
        """Tell whether a file is there."""
        return self.kind != "missing"


def places(environment: Environment) -> tuple[IdentityFile, ...]:
    """Name every place in which a tool keeps its ID; the folder chosen by setting is one."""
    known = tools.known(environment)
    found = [place for tool in known for place in tool.identity_files(environment)]
    chosen = settings.load(environment).cache_dir
    if chosen:
        path = environment.cwd / chosen / "machine.json"
        same = [place for place in found if place.path == path]
        # The command line's own folder stays the command line's when it is chosen.
        part = same[0].part if same else "container"
        place = IdentityFile("localstack", part, path, "json", source="setting", is_primary=True)
        found.insert(0, place)
    unique = {place.path: place for place in reversed(found)}
    return tuple(place for place in found if unique[place.path] is place)


def cache_dir(environment: Environment) -> tuple[Path, Source]:
    """Name the folder of LocalStack's ID, and what chose it."""
    return folder_of(places(environment))


def folder_of(found: Sequence[IdentityFile]) -> tuple[Path, Source]:
    """Name the folder of the first of all places, and what chose it."""
    return found[0].path.parent, found[0].source


def read(place: IdentityFile) -> MachineId:
    """Read one place as its client does; a problem is part of the answer."""
    try:
        data = files.read_bytes(place.path)
    except FileUnreadableError as error:
        return MachineId(place, None, "unreadable", error.message)
    if data is None:
        return MachineId(place, None, "missing")
    if place.form == "bare":
        return _read_bare(place, data)
    try:
        document = parse_document(data)
    except ValueError:
        problem = f"{place.path} cannot be understood: it is no JSON object."
        return MachineId(place, None, "unreadable", problem)
    if "machine_id" not in document:
        return MachineId(place, None, "missing")
    value = document["machine_id"]
    return MachineId(place, value, kind_of(value))


def _read_bare(place: IdentityFile, data: bytes) -> MachineId:
    text = data.decode("utf-8", errors="replace")
    return MachineId(place, text, kind_of(text)) if text else MachineId(place, None, "missing")


def read_all(environment: Environment) -> tuple[MachineId, ...]:
    """Read every place."""
    return tuple(read(place) for place in places(environment))


def parse_document(data: bytes) -> dict[str, object]:
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
    """Tell whether a value nests so deep that showing it may fail where reading did not."""
    level = [document]
    for _ in range(_MAX_LEVELS):
        children = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)  # type: ignore[attr-defined]
        ]
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def kind_of(value: object) -> Kind:
    """Name the kind of an ID by its shape."""
    text = value if isinstance(value, str) else ""
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, text)), "custom")


def redact(value: object) -> str:
    """Show an ID's kind and hide the rest; people paste status into bug reports."""
    text = value if isinstance(value, str) else ""
    prefix = text[:4] if text[3:4] == "_" else ""
    return prefix + "*" * 8


def validate(text: str) -> str:
    """Take an ID that a person typed.

    Raises:
        InvalidValueError: it is empty, too long, or has characters no client writes.
    """
    if not re.fullmatch(_VALID, text):
        wanted = "use 1 to 64 letters, digits, '_', '-' or '.'"
        raise InvalidValueError("machine ID", text[:64], wanted=wanted)
    return text


def new_random(environment: Environment) -> str:
    """Draw 12 characters in the shape of the client's own `gen_` ID, without the prefix."""
    digits = environment.entropy(6).hex()
    return f"{digits[:8]}-{digits[8:11]}"


def derive(
    environment: Environment, rules: Rules, *, in_container: bool, docker_id: str | None = None
) -> tuple[str, bool]:
    """Say which ID LocalStack's client would make when its file holds none.

    Returns:
        The ID, and whether it is drawn at random, so that another run has another.
    """
    body = new_random(environment)
    if rules.machine_id == "short":
        text = None if in_container else _system_id(environment)
        return (body[:8], True) if text is None else (_md5(text)[:8], False)
    if docker_id is not None:
        return f"dkr_{_md5(_SALT + docker_id)[:12]}", False
    text = None if in_container else (_system_id(environment) or "").strip()
    return (f"sys_{_md5(_SALT + text)[:12]}", False) if text else (f"gen_{body}", True)


def has_system_id(environment: Environment) -> bool:
    """Tell whether this machine has an ID that clients derive theirs from."""
    return bool((_system_id(environment) or "").strip())


def _system_id(environment: Environment) -> str | None:
    try:
        return environment.at_root("/etc/machine-id").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _md5(text: str) -> str:
    import hashlib  # only where an ID is derived

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
