"""Machine IDs of the catalogue's tools: what their files hold, and a new one in its place.

An ID of digits, such as a UUID, is replaced by a random one of its form: a file without it
is a broken one to some tools. Any other is taken out, and its tool draws a new one. One that is
derived from this machine comes back, so that only switching off helps. A project's file is not
touched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import StateError
from usagectl.identity import MachineId, Replacement, locked
from usagectl.machine import files
from usagectl.tools import editing, file_values, places
from usagectl.tools.base import Caution, IdentityFile
from usagectl.tools.catalogued import PART, Catalogued, is_word
from usagectl.tools.forms import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from usagectl.catalogue.entry import Entry, File, Identity
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Tool


class _Place(NamedTuple):
    """An ID of an entry, in a file of this machine."""

    entry: Entry
    identity: Identity
    file: File
    place: IdentityFile


def read(environment: Environment, tool: Tool) -> tuple[MachineId, ...]:
    """Read every ID that a tool of the catalogue keeps in a file; none of other tools."""
    return tuple(_read(each) for each in _places(environment, tool))


def cautions(environment: Environment, tools: Iterable[Tool]) -> list[tuple[str, Caution]]:
    """Warn of IDs that no file holds, or that come back, beside the tool's name."""
    found = (tool for tool in tools if isinstance(tool, Catalogued))
    return [(tool.name, caution) for tool in found for caution in _cautions(environment, tool)]


def reset(
    environment: Environment, tool: Tool, *, dry_run: bool = False
) -> tuple[Replacement, ...]:
    """Replace the IDs of a tool in the user's files; what else is in them stays.

    Raises:
        LockTimeoutError: another process kept usagectl's state locked.
    """
    found = [
        each
        for each in _places(environment, tool)
        if each.identity.made == "random" and each.file.scope == "user"
    ]
    with locked(environment, dry_run=dry_run or not found):
        return tuple(_reset(environment, each, dry_run=dry_run) for each in found)


def _places(environment: Environment, tool: Tool) -> Iterator[_Place]:
    if not isinstance(tool, Catalogued):
        return
    entry, version = tool.entry, tool.find(environment).version
    for identity in entry.identities:
        if not identity.file:
            continue
        file = entry.file(identity.file)
        if path := places.path_of(file, environment, version):
            part = ".".join(identity.key) or PART
            place = IdentityFile(tool.name, part, path, "entry")
            yield _Place(entry, identity, places.as_at(file, path), place)


def _read(found: _Place) -> MachineId:
    entry, identity, file, place = found
    content = file_values.load(place.path, file.format, file.dialect)
    if content.problem:
        return MachineId(place, None, "unreadable", content.problem)
    value = file_values.value_at(content, file.path_to(identity.key))
    is_none = value is MISSING or value in (None, "")
    if is_none or is_word(entry, identity.key, str(value)):
        return MachineId(place, None, "missing")
    return MachineId(place, value, identity.made)


def _reset(environment: Environment, found: _Place, *, dry_run: bool) -> Replacement:
    before = _read(found)
    after = fresh(before.value, environment.entropy)
    try:
        if before.kind == "missing":
            return Replacement(found.place, before, None, changed=False)
        data = _plan_write(found, after)
        if not dry_run:
            _write(found, data)
    except StateError as error:
        return Replacement(found.place, before, None, changed=False, problem=error)
    return Replacement(found.place, before, after, changed=True)


def fresh(value: object, entropy: Callable[[int], bytes]) -> str | None:
    """Return a random ID of the same form; None for one that is not made of digits alone.

    Of a UUID the digits stay that name its version and variant.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(rf"{_UUID}|[0-9A-Fa-f]{{8,128}}", text):
        return None
    drawn = entropy(len(text)).hex()[: len(text)]
    if text.isdecimal():  # A number that begins with 0 would be another one.
        drawn = "".join(str(int(digit, 16) % 9 + 1) for digit in drawn)
    kept = (14, 19) if re.fullmatch(_UUID, text) else ()
    new = "".join(
        old if old == "-" or place in kept else digit
        for place, (old, digit) in enumerate(zip(text, drawn, strict=True))
    )
    return str(value).replace(text, new.upper() if text.isupper() else new)


_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


def _plan_write(found: _Place, value: str | None) -> bytes | None:
    """Return a file's bytes with an ID, or without its key; None where it holds no more."""
    path, file = found.place.path, found.file
    key = file.path_to(found.identity.key)
    data = files.read_bytes(path, limit=file_values.MAX_BYTES)
    if key and data is not None:
        syntax = editing.Syntax(file.format, file.dialect)
        return editing.edit(path, syntax, data, key, MISSING if value is None else value)
    return None if value is None else value.encode()


def _write(found: _Place, data: bytes | None) -> None:
    if data is None:
        files.remove(found.place.path)
    else:
        files.replace_bytes(found.place.path, data)


def _cautions(environment: Environment, tool: Catalogued) -> Iterator[Caution]:
    title, way_off = tool.entry.title, tool.way_off(environment)
    explained = f"usagectl explain {tool.name}"
    for identity in tool.entry.identities:
        if identity.made == "derived":
            message = (
                f"{title} derives an ID from this machine, which comes back when it is "
                f"deleted; only switching off helps: {identity.text}."
            )
            yield Caution("derived-anyway", message, way_off)
        elif identity.made == "account":
            message = f"{title} keeps an ID with your account: {identity.text}."
            yield Caution("kept-by-account", message, explained)
