"""Own how the notice's data is read from `data/notice.schema.json`, and what is declared beside it.

That file is a JSON Schema 2020-12 which others can use as it is; here JSON
enters as `object` and is narrowed once. What can be asked of it is in `notice`.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from usagectl._notice_values import Departure, Event, Field, Notice, Promise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Declaration(NamedTuple):
    """Hold one event that a program declares: its name, and its schema as in the notice."""

    name: str
    schema: dict[str, object]


class _Declared(NamedTuple):
    notice: Notice
    schemas: dict[str, dict[str, object]]


_declared: ContextVar[_Declared | None] = ContextVar("declared", default=None)


def load() -> Notice:
    """Read the notice; the file is opened on the first call alone."""
    found = _declared.get()
    return _load() if found is None else found.notice


@contextmanager
def declared(declarations: Iterable[Declaration]) -> Iterator[None]:
    """Add declared events to what is known, in this context and until it is left.

    A name that is known already is left as it is, so that no program can redefine an
    event of the notice, nor one of another program.
    """
    declarations = tuple(declarations)
    if not declarations:  # Then nothing needs to be read either.
        yield
        return
    schemas = dict(_declared_schemas())
    for name, schema in declarations:
        if not is_of_notice(name):
            schemas.setdefault(name, schema)
    events = tuple(_documented(schema) for schema in schemas.values())
    token = _declared.set(_Declared(replace(_load(), declared_events=events), schemas))
    try:
        yield
    finally:
        _declared.reset(token)


def is_of_notice(name: str) -> bool:
    """Tell whether the notice has, or real clients send, an event of that name."""
    known = _load()
    return any(event.name == name for event in known.events + known.undocumented_events)


def _declared_schemas() -> dict[str, dict[str, object]]:
    found = _declared.get()
    return {} if found is None else found.schemas


@cache
def _load() -> Notice:
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
    own = {name: _object(raw) for name, raw in _object(data["$defs"]).items()}
    return data["$schema"], own | _declared_schemas()


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
        meaning=_meaning(schema),
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


def _meaning(schema: dict[str, object]) -> str:
    """Say what a field means, and all that it may be where that is a list of choices."""
    choices = _object(schema.get("items", schema)).get("enum")
    listed = f" One of: {', '.join(_texts(choices))}." if choices else ""
    return f"{_text(schema['description'])}{listed}"


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
