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
from dataclasses import dataclass, field
from functools import cache

from usagectl.errors import UnknownEventError

_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")


@dataclass(frozen=True, slots=True)
class Field:
    """Tell what one field of an event holds.

    Attributes:
        pointer: where it stands in the event, such as `/payload/api_key`.
        name: what a person types for it, such as `api_key` or `metadata.client_time`.
        privacy: one of the notice's privacy classes.
        sentence: the words of the notice; empty for an undocumented field.
        since: the first version that was read and has it; None when open.
        until: the last such version.
    """

    event: str
    pointer: str
    name: str
    type: str
    meaning: str
    privacy: str
    sentence: str
    example: object = field(hash=False)
    documented: bool
    since: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Tell what one event is for, when it is sent and what it holds.

    Attributes:
        endpoint: `session` or `events`.
        fields: what the notice names; empty for an undocumented event.
        undocumented_fields: what real clients send beyond that.
        example: a whole event that the notice allows; None when undocumented.
    """

    name: str
    meaning: str
    when: str
    endpoint: str
    sentence: str
    documented: bool
    tools: tuple[str, ...]
    since: str | None
    until: str | None
    fields: tuple[Field, ...]
    undocumented_fields: tuple[Field, ...]
    example: dict[str, object] | None = field(hash=False)


@dataclass(frozen=True, slots=True)
class Promise:
    """Tell one thing that the notice states about all events."""

    id: str
    sentence: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Tell one way in which real clients do not do what the notice says.

    Attributes:
        fields: pointers of the fields it is about; none: it is about whole events.
        sentence: the words it departs from; None when the notice is silent.
        evidence: `observed` on the wire or on disk, or `source` when only read.
    """

    id: str
    title: str
    text: str
    tools: tuple[str, ...]
    since: str | None
    until: str | None
    events: tuple[str, ...]
    fields: tuple[str, ...]
    sentence: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Hold all that is known: what is promised, and what real clients do beyond it."""

    events: tuple[Event, ...]
    undocumented_events: tuple[Event, ...]
    never_collected: tuple[Promise, ...]
    departures: tuple[Departure, ...]
    licence: Promise
    switch: Promise
    privacy_classes: dict[str, str] = field(hash=False)


@cache
def load() -> Notice:
    """Read the notice; the file is opened on the first call alone."""
    data = _document()
    metadata = _objects(data["x-undocumented-metadata"])
    return Notice(
        events=tuple(_documented(_object(schema)) for schema in _object(data["$defs"]).values()),
        undocumented_events=tuple(
            _undocumented(each, metadata) for each in _objects(data["x-undocumented-events"])
        ),
        never_collected=tuple(_promise(each) for each in _objects(data["x-never-collected"])),
        departures=tuple(_departure(each) for each in _objects(data["x-departures"])),
        licence=_promise(_object(data["x-licence"])),
        switch=_promise(_object(data["x-switch"])),
        privacy_classes={
            name: _text(meaning) for name, meaning in _object(data["x-privacy-classes"]).items()
        },
    )


def find_event(name: str) -> Event:
    """Return the event of that name, documented or not.

    Raises:
        UnknownEventError: no event goes by that name.
    """
    for event in _all_events():
        if event.name == name:
            return event
    raise UnknownEventError(name, known=[event.name for event in _all_events()])


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
    raise UnknownEventError(typed, known=[each.name for each in fields])


def describe(event_name: str, pointer: str) -> Field | None:
    """Return the field that a place in an event body belongs to, if it is known.

    A place inside a list or object of free content belongs to that field.
    """
    fields = next((_all_fields(each) for each in _all_events() if each.name == event_name), ())
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

    data = _document()
    schemas = _object(data["$defs"])
    if name not in schemas:
        raise UnknownEventError(name, known=list(schemas))
    return {"$schema": data["$schema"], **deepcopy(_object(schemas[name]))}


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


def _all_events() -> tuple[Event, ...]:
    return load().events + load().undocumented_events


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


@cache
def _document() -> dict[str, object]:
    import json
    from importlib.resources import files

    file = files("usagectl").joinpath("data", "notice.schema.json")
    return _object(json.loads(file.read_text(encoding="utf-8")))


def _documented(schema: dict[str, object]) -> Event:
    properties = _object(schema["properties"])
    name = _text(_object(properties["name"])["const"])
    return Event(
        name=name,
        meaning=_text(schema["description"]),
        when=_text(schema["x-when"]),
        endpoint=_text(schema["x-endpoint"]),
        sentence=_text(schema["x-sentence"]),
        documented=True,
        tools=_texts(schema["x-tools"]),
        since=_text_or_none(schema["x-since"]),
        until=_text_or_none(schema["x-until"]),
        fields=tuple(
            each
            for section in ("metadata", "payload")
            for each in _walk(name, f"/{section}", _object(properties[section]))
        ),
        undocumented_fields=tuple(
            _undocumented_field(name, each) for each in _objects(schema["x-undocumented-fields"])
        ),
        example=_object(_list(schema["examples"])[0]),
    )


def _undocumented(data: dict[str, object], metadata: tuple[dict[str, object], ...]) -> Event:
    name = _text(data["name"])
    return Event(
        name=name,
        meaning=_text(data["meaning"]),
        when=_text(data["when"]),
        endpoint="events",
        sentence="",
        documented=False,
        tools=_texts(data["tools"]),
        since=_text_or_none(data["since"]),
        until=_text_or_none(data["until"]),
        fields=(),
        undocumented_fields=tuple(
            _undocumented_field(name, each) for each in metadata + _objects(data["fields"])
        ),
        example=None,
    )


def _walk(event: str, pointer: str, schema: dict[str, object]) -> list[Field]:
    found = [_documented_field(event, pointer, schema)] if "x-privacy" in schema else []
    for name, below in _object(schema.get("properties", {})).items():
        found += _walk(event, f"{pointer}/{name}", _object(below))
    if "items" in schema:
        found += _walk(event, f"{pointer}/*", _object(schema["items"]))
    return found


def _documented_field(event: str, pointer: str, schema: dict[str, object]) -> Field:
    return Field(
        event=event,
        pointer=pointer,
        name=_short_name(pointer),
        type=_type_name(schema),
        meaning=_text(schema["description"]),
        privacy=_text(schema["x-privacy"]),
        sentence=_text(schema["x-sentence"]),
        example=_list(schema["examples"])[0],
        documented=True,
        since=None,
        until=None,
    )


def _undocumented_field(event: str, data: dict[str, object]) -> Field:
    return Field(
        event=event,
        pointer=_text(data["pointer"]),
        name=_text(data["name"]),
        type=_text(data["type"]),
        meaning=_text(data["meaning"]),
        privacy=_text(data["privacy"]),
        sentence="",
        example=None,
        documented=False,
        since=_text_or_none(data["since"]),
        until=_text_or_none(data["until"]),
    )


def _promise(data: dict[str, object]) -> Promise:
    return Promise(
        id=_text(data["id"]), sentence=_text(data["sentence"]), meaning=_text(data["meaning"])
    )


def _departure(data: dict[str, object]) -> Departure:
    return Departure(
        id=_text(data["id"]),
        title=_text(data["title"]),
        text=_text(data["text"]),
        tools=_texts(data["tools"]),
        since=_text_or_none(data["since"]),
        until=_text_or_none(data["until"]),
        events=_texts(data["events"]),
        fields=_texts(data["fields"]),
        sentence=_text_or_none(data["sentence"]),
        evidence=_text(data["evidence"]),
    )


def _short_name(pointer: str) -> str:
    return ".".join(part for part in pointer.removeprefix("/payload").split("/") if part.strip("*"))


def _type_name(schema: dict[str, object]) -> str:
    kind = schema["type"]
    if isinstance(kind, list):
        return " or ".join(_texts(kind))
    inner = f" of {_type_name(_object(schema['items']))}" if "items" in schema else ""
    return f"{_text(kind)}{inner}"


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _objects(value: object) -> tuple[dict[str, object], ...]:
    return tuple(_object(each) for each in _list(value))


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(each) for each in _list(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
