"""Machine IDs of the catalogue's tools: what their files hold, and taking them out.

An ID that its tool draws anew is reset by taking it out of its file; one that is derived from
this machine comes back, so that only switching off helps. A project's file is not touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import StateError
from usagectl.identity import MachineId, Replacement, locked
from usagectl.machine import files
from usagectl.tools import editing, file_values, places
from usagectl.tools.base import Caution, IdentityFile
from usagectl.tools.catalogued import PART, Catalogued
from usagectl.tools.forms import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from usagectl.catalogue.entry import File, Identity
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Tool


class _Place(NamedTuple):
    """An ID of an entry, in a file of this machine."""

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


def take_out(
    environment: Environment, tool: Tool, *, dry_run: bool = False
) -> tuple[Replacement, ...]:
    """Take the IDs of a tool out of the user's files; what else is in them stays.

    Raises:
        LockTimeoutError: another process kept usagectl's state locked.
    """
    found = [
        each
        for each in _places(environment, tool)
        if each.identity.made == "random" and each.file.scope == "user"
    ]
    with locked(environment, dry_run=dry_run or not found):
        return tuple(_take_out(each, dry_run=dry_run) for each in found)


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
            yield _Place(identity, file, IdentityFile(tool.name, part, path, "entry"))


def _read(found: _Place) -> MachineId:
    identity, file, place = found
    content = file_values.load(place.path, file.format, file.dialect)
    if content.problem:
        return MachineId(place, None, "unreadable", content.problem)
    value = file_values.value_at(content, identity.key, section=file.section)
    if value is MISSING or value in (None, ""):
        return MachineId(place, None, "missing")
    return MachineId(place, value, identity.made)


def _take_out(found: _Place, *, dry_run: bool) -> Replacement:
    before = _read(found)
    try:
        if before.kind == "missing":
            return Replacement(found.place, before, None, changed=False)
        if not dry_run:
            _remove(found)
    except StateError as error:
        return Replacement(found.place, before, None, changed=False, problem=error)
    return Replacement(found.place, before, None, changed=True)


def _remove(found: _Place) -> None:
    """Remove an ID's file, or its key from a file that holds more."""
    path, file = found.place.path, found.file
    if not found.identity.key:
        files.remove(path)
        return
    data = files.read_bytes(path, limit=file_values.MAX_BYTES)
    syntax = editing.Syntax(file.format, file.dialect)
    if data is not None:
        files.replace_bytes(path, editing.edit(path, syntax, data, found.identity.key, MISSING))


def _cautions(environment: Environment, tool: Catalogued) -> Iterator[Caution]:
    title, way_off = tool.entry.title, tool.way_off(environment)
    explained = f"usagectl explain {tool.name}"
    for identity in tool.entry.identities:
        if identity.made == "derived":
            message = (
                f"{title} derives an ID from this machine, which comes back when it is "
                f"deleted; only switching off helps: {identity.text}."
            )
            yield Caution("derived-anyway", message, way_off or explained)
        elif identity.made == "account":
            message = f"{title} keeps an ID with your account: {identity.text}."
            yield Caution("kept-by-account", message, explained)
