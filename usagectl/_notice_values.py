"""Own what the notice is made of: frozen values, and nothing that reads them."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """Hold all that is known: what is promised, and what real clients do beyond it.

    Attributes:
        events: those of the notice.
        declared_events: those that programs declare, in the notice's own form.
    """

    events: tuple[Event, ...]
    undocumented_events: tuple[Event, ...]
    never_collected: tuple[Promise, ...]
    departures: tuple[Departure, ...]
    licence: Promise
    switch: Promise
    privacy_classes: dict[str, str] = field(hash=False)
    declared_events: tuple[Event, ...] = ()
