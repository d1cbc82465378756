"""Own the notice as data: every event and field that is known, and what each means.

The facts stand in `data/notice.schema.json`, a JSON Schema that others can use
as it is; this module reads it once, when first asked, into frozen values. It
must not know how events are made, sent or shown, and it validates none: that
takes a JSON Schema library, which no command needs at run time.

A pointer is a JSON pointer into an event; in data `*` stands for any one key or
index, so `/payload/params/*` also stands for `/payload/params/0`.
"""

from __future__ import annotations

import re

from usagectl._notice_data import (
    Declaration,
    declared,
    document,
    event_schemas,
    is_of_notice,
    load,
)
from usagectl._notice_values import Departure, Event, Field, Notice, Promise
from usagectl.errors import UnknownEventError

__all__ = [
    "Declaration",
    "Departure",
    "Event",
    "Field",
    "Notice",
    "Promise",
    "all_events",
    "closed_form",
    "declared",
    "departures_of",
    "describe",
    "event_schema",
    "field_table",
    "find_event",
    "find_field",
    "is_of_notice",
    "load",
]

_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")


def all_events() -> tuple[Event, ...]:
    """Return every event that is known: of the notice, declared, and undocumented."""
    known = load()
    return known.events + known.declared_events + known.undocumented_events


def find_event(name: str) -> Event:
    """Return the event of that name, documented or not.

    Raises:
        UnknownEventError: no event goes by that name.
    """
    for event in all_events():
        if event.name == name:
            return event
    dotted = [f"{each.name}.{field.name}" for each in all_events() for field in _all_fields(each)]
    names = [event.name for event in all_events()]
    raise UnknownEventError(name, known=names, candidates=[*names, *dotted])


def find_field(event: str, field: str) -> Field:
    """Return a field by its short name; `payload.` before it may be left out.

    Raises:
        UnknownEventError: there is no such event, or it has no such field.
    """
    fields = _all_fields(find_event(event))
    for each in fields:
        if field in (each.name, f"payload.{each.name}"):
            return each
    typed = f"{event}.{field}"
    names = [each.name for each in fields]
    dotted = [f"{event}.{each}" for each in names]
    raise UnknownEventError(typed, known=names, candidates=dotted)


def describe(event_name: str, pointer: str) -> Field | None:
    """Return the field that a place in an event body belongs to, if it is known.

    A place inside a list or object of free content belongs to that field.
    """
    fields = next((_all_fields(each) for each in all_events() if each.name == event_name), ())
    for each in fields:
        if _covers(each.pointer, pointer, exact=True):
            return each
    return next(
        (each for each in fields if _is_open(each, fields) and _covers(each.pointer, pointer)), None
    )


def departures_of(
    event: str, pointer: str | None = None, *, version: str | None = None
) -> tuple[Departure, ...]:
    """Return the known departures of an event, of one place in it, and of one version.

    Args:
        event: the name of the event; an unknown one has no departures.
        pointer: only those about this place or one that contains it; `""` means
            those about the event as a whole. None: all of the event.
        version: only those that this version of the tool has. A version that
            cannot be read excludes nothing.
    """
    return tuple(
        each
        for each in load().departures
        if event in each.events
        and (pointer is None or _concerns(each, pointer))
        and (version is None or _is_within(version, each.since, each.until))
    )


def event_schema(name: str) -> dict[str, object]:
    """Return a copy of the JSON Schema of one documented event; it refers to no other file.

    Raises:
        UnknownEventError: the notice names no such event.
    """
    from copy import deepcopy

    dialect, schemas = event_schemas()
    if name not in schemas:
        raise UnknownEventError(name, known=list(schemas))
    return {"$schema": dialect, **deepcopy(schemas[name])}


def closed_form(closing: str) -> str:
    """Say in words what a text has to be that a closing of the notice's data (`x-emit`) takes.

    It goes on after "must be": `BOOT, START, READY or SHUTDOWN`, `a version: numbers and dots`.
    """
    closings = document()["x-closings"]
    text = str(closings.get(closing, closing)) if isinstance(closings, dict) else closing
    text = text.removesuffix(".")
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def field_table() -> str:
    """Return the table of documented fields as Markdown, ending in a newline."""
    rows = [
        ("event", "field", "type", "privacy", "meaning"),
        ("---",) * 5,
        *(
            (f"`{each.event}`", f"`{each.name}`", each.type, each.privacy, each.meaning)
            for event in load().events
            for each in event.fields
        ),
    ]
    lines = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "".join(f"| {line} |\n" for line in lines)


def _all_fields(event: Event) -> tuple[Field, ...]:
    return event.fields + event.undocumented_fields


def _covers(pattern: str, pointer: str, *, exact: bool = False) -> bool:
    wanted, given = pattern.split("/"), pointer.split("/")
    if len(given) < len(wanted) or (exact and len(given) > len(wanted)):
        return False
    return all(want in ("*", have) for want, have in zip(wanted, given[: len(wanted)], strict=True))


def _is_open(candidate: Field, fields: tuple[Field, ...]) -> bool:
    below = f"{candidate.pointer}/"
    return candidate.type.startswith(("array", "object")) and not any(
        each.pointer.startswith(below) for each in fields
    )


def _concerns(departure: Departure, pointer: str) -> bool:
    if not pointer or not departure.fields:
        return not pointer and not departure.fields
    return any(_covers(each, pointer) for each in departure.fields)


def _is_within(version: str, since: str | None, until: str | None) -> bool:
    key = _version_key(version)
    if key is None:
        return True
    first, last = _version_key(since or ""), _version_key(until or "")
    return (first is None or first <= key) and (last is None or key <= last)


def _version_key(version: str) -> tuple[tuple[int, ...], bool] | None:
    """Order versions; `1.0.5.dev` stands just before `1.0.5`, a build's hash does not count."""
    release = re.split(r"[:+]", version.strip(), maxsplit=1)[0]
    match = _NUMBERS.match(release)
    if match is None:
        return None
    numbers = [int(part) for part in match.group().split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), match.end() == len(release)
