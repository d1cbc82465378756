"""The notice as data: every known event and field, what each means, and questions to it.

The facts stand in `data/notice.schema.json`, a JSON Schema 2020-12 that others can use as it
is; it is read once, when first asked, into frozen values. Nothing is validated here: that
takes a JSON Schema library, which no command needs at run time.

A pointer is a JSON pointer into an event; in data `*` stands for any one key or index, so
`/payload/params/*` also stands for `/payload/params/0`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.errors import UnknownEventError
from usagectl.machine.files import read_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")


class Field(NamedTuple):
    """What one field of an event holds."""

    event: str
    pointer: str  # Where it stands in the event, such as `/payload/api_key`.
    name: str  # What a person types for it, such as `api_key` or `metadata.client_time`.
    type: str
    meaning: str
    privacy: str  # One of the notice's privacy classes.
    sentence: str = ""  # The words of the notice; empty for an undocumented field.
    example: object = None
    documented: bool = False
    since: str | None = None  # The first version that was read and has it; None when open.
    until: str | None = None  # The last such version.


class Event(NamedTuple):
    """What one event is for, when it is sent and what it holds."""

    name: str
    meaning: str
    when: str
    tools: tuple[str, ...]
    since: str | None
    until: str | None
    undocumented_fields: tuple[Field, ...]  # What real clients send beyond that.
    endpoint: str = "events"  # `session` or `events`.
    sentence: str = ""
    documented: bool = False
    fields: tuple[Field, ...] = ()  # What the notice names; empty for an undocumented event.
    added_fields: tuple[Field, ...] = ()  # What usagectl adds where a program's author wants it.
    # A whole event that the notice allows; None when undocumented.
    example: dict[str, object] | None = None

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """Its fields, documented or not."""
        return self.fields + self.added_fields + self.undocumented_fields


class Promise(NamedTuple):
    """One thing that the notice states about all events."""

    id: str
    sentence: str
    meaning: str


class Departure(NamedTuple):
    """One way in which real clients do not do what the notice says."""

    id: str
    title: str
    text: str
    tools: tuple[str, ...]
    since: str | None
    until: str | None
    events: tuple[str, ...]
    # Pointers of the fields it is about; empty when it is about whole events.
    fields: tuple[str, ...]
    sentence: str | None  # The words it departs from; None when the notice is silent.
    evidence: str  # `observed` on the wire or on disk, or `source` when only read.


class Default(NamedTuple):
    """What a client sends in a field for a setting that nobody has set."""

    event: str
    field: str  # Its pointer.
    pattern: str  # The whole value; where there are variables, with a group for what and for how.
    variables: tuple[str, ...]  # Names of those that set it, with `{}` for what.


class Notice(NamedTuple):
    """All that is known: what is promised, and what real clients do beyond it."""

    events: tuple[Event, ...]  # Those of the notice.
    undocumented_events: tuple[Event, ...]
    never_collected: tuple[Promise, ...]
    departures: tuple[Departure, ...]
    licence: Promise
    switch: Promise
    privacy_classes: dict[str, str]
    # The JSON Schema of each event of the notice, and of each declared one.
    schemas: dict[str, dict[str, Any]]
    # Those that programs declare, in the notice's own form.
    declared_events: tuple[Event, ...] = ()
    defaults: tuple[Default, ...] = ()


class Declaration(NamedTuple):
    """One event that a program declares: its name, and its schema as in the notice."""

    name: str
    schema: dict[str, Any]


_declared: ContextVar[Notice | None] = ContextVar("declared", default=None)


def load() -> Notice:
    """Return the notice, with what is declared in this context; the file is read once."""
    return _declared.get() or _load()


@contextmanager
def declared(declarations: Iterable[Declaration]) -> Iterator[None]:
    """Add declared events to the notice, in this context and until it is left.

    A known name is left as it is, so that no program can redefine an event of the notice
    or of another program.
    """
    declarations = tuple(declarations)
    if not declarations:  # Then nothing needs to be read either.
        yield
        return
    own, known = _load().schemas, load()
    schemas = dict(known.schemas)
    for name, schema in declarations:
        if not is_of_notice(name):
            schemas.setdefault(name, schema)
    events = tuple(_documented(each) for name, each in schemas.items() if name not in own)
    token = _declared.set(known._replace(declared_events=events, schemas=schemas))
    try:
        yield
    finally:
        _declared.reset(token)


def is_of_notice(name: str) -> bool:
    """True if the notice has, or real clients send, an event of that name."""
    known = _load()
    return any(event.name == name for event in known.events + known.undocumented_events)


def all_events() -> tuple[Event, ...]:
    """Return every known event: of the notice, declared, and undocumented."""
    known = load()
    return known.events + known.declared_events + known.undocumented_events


def find_event(name: str) -> Event:
    """Return the event of that name, documented or not.

    Raises:
        UnknownEventError: no event has that name.
    """
    for event in all_events():
        if event.name == name:
            return event
    dotted = [f"{each.name}.{field.name}" for each in all_events() for field in each.all_fields]
    names = [event.name for event in all_events()]
    raise UnknownEventError(name, known=names, candidates=[*names, *dotted])


def find_field(event: str, field: str) -> Field:
    """Return a field by its short name; `payload.` before it may be left out.

    Raises:
        UnknownEventError: there is no such event, or it has no such field.
    """
    fields = find_event(event).all_fields
    for each in fields:
        if field in (each.name, f"payload.{each.name}"):
            return each
    typed = f"{event}.{field}"
    names = [each.name for each in fields]
    raise UnknownEventError(typed, known=names, candidates=[f"{event}.{each}" for each in names])


def describe(event_name: str, pointer: str) -> Field | None:
    """Return the field that a place in an event belongs to, if it is known.

    A place inside a list or object of free content belongs to that field.
    """
    fields = next((each.all_fields for each in all_events() if each.name == event_name), ())
    exact = (each for each in fields if _covers(each.pointer, pointer, exact=True))
    around = (each for each in fields if _covers(each.pointer, pointer) and _is_open(each, fields))
    return next(chain(exact, around), None)


def departures_of(
    event: str, pointer: str | None = None, *, version: str | None = None
) -> tuple[Departure, ...]:
    """Return the known departures of an event, of one place in it, and of one version.

    Args:
        event: the name of the event; an unknown one has no departures.
        pointer: only those about this place or one that contains it; `""` means those
            about the event as a whole. None: all of the event.
        version: only those that this version of the tool has. An unreadable version
            excludes nothing.
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
        UnknownEventError: the notice has no such event.
    """
    from copy import deepcopy

    schemas = load().schemas
    if name not in schemas:
        raise UnknownEventError(name, known=list(schemas))
    return {"$schema": _document()["$schema"], **deepcopy(schemas[name])}


def closed_form(rule: str) -> str:
    """Describe the texts that a rule of the notice's data (`x-emit`) allows.

    It goes on after "must be": `BOOT, START, READY or SHUTDOWN`, `a version: numbers and dots`.
    """
    text = str(_document()["x-closings"].get(rule, rule)).removesuffix(".")
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


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
    if not pointer:
        return not departure.fields
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
def _document() -> dict[str, Any]:
    """Parse the file; it is opened on the first call alone."""
    import json

    return dict(json.loads(read_data("notice.schema.json")))


@cache
def _load() -> Notice:
    data = _document()
    shared = data["x-undocumented-metadata"]
    return Notice(
        events=tuple(map(_documented, data["$defs"].values())),
        undocumented_events=tuple(
            _undocumented(each, shared) for each in data["x-undocumented-events"]
        ),
        never_collected=tuple(Promise(**each) for each in data["x-never-collected"]),
        departures=tuple(Departure(**_frozen(each)) for each in data["x-departures"]),
        licence=Promise(**data["x-licence"]),
        switch=Promise(**data["x-switch"]),
        privacy_classes=data["x-privacy-classes"],
        schemas=data["$defs"],
        defaults=tuple(Default(**_frozen(each)) for each in data["x-defaults"]),
    )


def _documented(schema: Mapping[str, Any]) -> Event:
    name = schema["properties"]["name"]["const"]
    fields = tuple(_walk(name, "", schema))
    return Event(
        name,
        meaning=schema["description"],
        when=schema["x-when"],
        tools=tuple(schema["x-tools"]),
        since=schema["x-since"],
        until=schema["x-until"],
        undocumented_fields=_undocumented_fields(name, schema["x-undocumented-fields"]),
        endpoint=schema["x-endpoint"],
        sentence=schema["x-sentence"],
        documented=True,
        fields=tuple(each for each in fields if each.documented),
        added_fields=tuple(each for each in fields if not each.documented),
        example=schema["examples"][0],
    )


def _undocumented(data: dict[str, Any], shared: list[dict[str, Any]]) -> Event:
    fields = _undocumented_fields(data["name"], shared + data["fields"])
    return Event(**{**_frozen(data), "fields": (), "undocumented_fields": fields})


def _undocumented_fields(event: str, fields: Iterable[Mapping[str, Any]]) -> tuple[Field, ...]:
    return tuple(Field(event, **each) for each in fields)


def _frozen(data: Mapping[str, Any]) -> dict[str, Any]:
    """Make tuples of lists, as frozen values hold them."""
    return {key: tuple(each) if isinstance(each, list) else each for key, each in data.items()}


def _walk(event: str, pointer: str, schema: Mapping[str, Any]) -> Iterator[Field]:
    if "x-privacy" in schema:
        yield _documented_field(event, pointer, schema)
    for name, below in schema.get("properties", {}).items():
        yield from _walk(event, f"{pointer}/{name}", below)
    if "items" in schema:
        yield from _walk(event, f"{pointer}/*", schema["items"])


def _documented_field(event: str, pointer: str, schema: Mapping[str, Any]) -> Field:
    way = pointer.removeprefix("/payload").split("/")
    choices = schema.get("items", schema).get("enum")
    listed = f" One of: {', '.join(choices)}." if choices else ""
    return Field(
        event,
        pointer,
        name=".".join(part for part in way if part.strip("*")),
        type=_type_name(schema),
        meaning=f"{schema['description']}{listed}",
        privacy=schema["x-privacy"],
        sentence=schema.get("x-sentence", ""),
        example=schema["examples"][0],
        documented="x-source" not in schema,
    )


def _type_name(schema: Mapping[str, Any]) -> str:
    kind = schema["type"]
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"{kind} of {_type_name(schema['items'])}" if "items" in schema else str(kind)
