"""Own the notice's data as frozen values, read from `data/notice.schema.json`.

That file is a JSON Schema 2020-12 which others can use as it is; here JSON
enters as `object` and is narrowed once. What can be asked of it is in `notice`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache


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
    data = document()
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


def event_schemas() -> tuple[object, dict[str, dict[str, object]]]:
    """Return the file's `$schema` and the raw schema of every documented event, by name."""
    data = document()
    return data["$schema"], {name: _object(raw) for name, raw in _object(data["$defs"]).items()}


@cache
def document() -> dict[str, object]:
    """Parse the file; it is opened on the first call alone."""
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
