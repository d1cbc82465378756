"""Schemas of the events that are recorded: typed fields, closed texts, exact bytes.

A shape is compiled once from the notice's data, or from a kind that a program declares.
Nothing but what that names gets into a payload: whatever else is given is refused, under
the names of the event and the field and never with the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from usagectl import notice
from usagectl.errors import UnknownEventError, UsageError
from usagectl.events import kinds as declared_kinds
from usagectl.events.text_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from usagectl.events.kinds import Kind
    from usagectl.events.text_rules import Rule

    Encode = Callable[[object], str | None]
    """Gives a value's JSON, or None for one that does not fit."""

_LARGEST = 2**63 - 1
_MOST_ITEMS = 4096
_LONGEST_REMEMBERED = 512
_LONE = (str, bytes, bytearray, memoryview)
_REMEMBERED = 512
_LONE = (str, bytes, bytearray, memoryview)


class EventShapeError(UsageError):
    """A value that an event cannot hold; event and field are named, the value never."""

    code = "event-shape"

    def __init__(self, event: str, field: str, *, reason: str) -> None:
        super().__init__(f"{event}: {field} {reason}.", hint=f"usagectl explain {event}")
        self.event = event
        self.field = field


class _Member(NamedTuple):
    name: str
    key: str
    encode: Encode
    wanted: str  # What a value must be.
    is_required: bool
    is_nullable: bool


class _Rule(NamedTuple):
    """Members that go only with certain numbers of another one."""

    field: str
    low: float
    high: float
    forbidden: tuple[str, ...]


class Shape:
    """What one event may hold, and the writer of its payload."""

    __slots__ = ("_object", "endpoint", "has_session", "name")

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        self.name = name
        self.endpoint: str = schema["x-endpoint"]
        # Whether its metadata holds the ID of a session, beside the time.
        self.has_session = "session_id" in schema["properties"]["metadata"]["properties"]
        self._object = _Object(name, "", schema["properties"]["payload"])

    def payload(self, values: Mapping[str, object]) -> bytes:
        """Write the payload: compact JSON, members in the notice's order.

        A member that may be absent counts as absent when it is None. Every text comes out
        closed or scrubbed.

        Raises:
            EventShapeError: a value is unknown, missing, of the wrong type or open, or does
                not go with the others.
        """
        return self._object.write(values).encode("ascii")

    def event(self, payload: bytes, *, client_time: str, session_id: str = "") -> bytes:
        """Put the metadata before a payload: the exact bytes of the whole event.

        Raises:
            EventShapeError: the time or the session's ID is invalid, or not for this event.
        """
        if RULES["time"](client_time) is None:
            raise EventShapeError(self.name, "metadata.client_time", reason="must be an instant")
        if not self.has_session and session_id:
            raise EventShapeError(
                self.name, "metadata.session_id", reason="is not one of its fields"
            )
        if self.has_session and RULES["uuid"](session_id) is None:
            raise EventShapeError(self.name, "metadata.session_id", reason="must be a UUID")
        session = f'"session_id":"{session_id}",' if self.has_session else ""
        metadata = f'{{{session}"client_time":"{client_time}"}}'
        head = f'{{"name":"{self.name}","metadata":{metadata},"payload":'
        return head.encode("ascii") + payload + b"}"


def of(name: str, kinds: Sequence[Kind] = ()) -> Shape:
    """Return the shape of an event of the notice, or else of one of the kinds given.

    Raises:
        UnknownEventError: neither has such an event.
        InvalidKindError: the kind cannot be declared.
    """
    if name in _names():
        return _of_notice(name)
    for kind in kinds:
        if kind.name == name:
            try:
                return _of_kind(kind)
            except TypeError:  # It holds lists, or what is no field at all.
                return _of_kind(declared_kinds.frozen(kind))
    known = [*_names(), *(kind.name for kind in kinds)]
    raise UnknownEventError(name, known=known, candidates=known)


@cache
def _names() -> tuple[str, ...]:
    return tuple(event.name for event in notice.load().events)


@cache
def _of_notice(name: str) -> Shape:
    return Shape(name, notice.event_schema(name))


@lru_cache(256)
def _of_kind(kind: Kind) -> Shape:
    return Shape(kind.name, kind.schema())


class _Object:
    """A writer of objects with known members."""

    __slots__ = ("_event", "_known", "_members", "_place", "_rules")

    def __init__(self, event: str, place: str, schema: Mapping[str, Any]) -> None:
        self._event = event
        self._place = place
        required = schema["required"]
        self._members = tuple(
            _member(event, f"{place}{name}", name, each, is_required=name in required)
            for name, each in schema["properties"].items()
        )
        self._known = frozenset(schema["properties"])
        self._rules = tuple(_read_rules(schema))

    def encode(self, value: object) -> str | None:
        return self.write(value) if isinstance(value, Mapping) else None

    def write(self, values: Mapping[str, object]) -> str:
        """Write one object, or raise an error that names the wrong field."""
        parts = []
        for member in self._members:
            value, is_there = values.get(member.name), member.name in values
            text = "null" if member.is_nullable and is_there else None
            if value is not None:
                text = member.encode(value)
            if text is not None:
                parts.append(member.key + text)
            elif value is not None or member.is_required:
                reason = f"must be {member.wanted}" if is_there else "is missing"
                raise self._error(member.name, reason)
        if not self._known.issuperset(values):
            self._refuse_unknown(values)
        for rule in self._rules:
            self._apply(rule, values)
        return f"{{{','.join(parts)}}}"

    def _refuse_unknown(self, values: Mapping[str, object]) -> None:
        # An unknown key may be a value itself, so it is named only if it is a plain name.
        unknown = next((name for name in values if name not in self._known), None)
        is_name = isinstance(unknown, str) and unknown.isidentifier() and len(unknown) < 40  # noqa: PLR2004
        name = str(unknown) if is_name and str(unknown).isascii() else "a field"
        raise self._error(name, "is not one of its fields")

    def _apply(self, rule: _Rule, values: Mapping[str, object]) -> None:
        number = cast("float", values[rule.field])
        if rule.low <= number <= rule.high:
            return
        for name in rule.forbidden:
            if values.get(name) is not None:
                raise self._error(name, f"does not go with this {rule.field}")

    def _error(self, name: str, reason: str) -> EventShapeError:
        return EventShapeError(self._event, f"{self._place}{name}", reason=reason)


def _member(
    event: str, place: str, name: str, schema: Mapping[str, Any], *, is_required: bool
) -> _Member:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    encode, wanted = _encoder(event, place, kinds[0], schema)
    return _Member(name, f'"{name}":', encode, wanted, is_required, "null" in kinds)


def _encoder(event: str, place: str, kind: str, schema: Mapping[str, Any]) -> tuple[Encode, str]:
    if kind == "array":
        items = schema["items"]
        if items["type"] == "object":
            return _list_encoder(_Object(event, f"{place}.", items).encode), "a list"
        encode, wanted = _encoder(event, place, items["type"], items)
        return _list_encoder(encode), f"a list, each of it {wanted}"
    if kind == "boolean":
        return _encode_boolean, "true or false"
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -_LARGEST), schema.get("maximum", _LARGEST)
        wanted = "a whole number" if kind == "integer" else "a number"
        if "maximum" in schema:
            wanted += f" from {low} to {high}"
        elif "minimum" in schema:
            wanted += f" of {low} or more"
        return _number_encoder(low, high, is_integer=kind == "integer"), wanted
    if "enum" in schema:
        choices = {each: each for each in schema["enum"]}
        return _text_encoder(choices.get), f"one of {', '.join(choices)}"
    return _text_encoder(RULES[schema["x-emit"]]), notice.closed_form(schema["x-emit"])


def _encode_boolean(value: object) -> str | None:
    """Write true or false; a number is refused."""
    return "true" if value is True else "false" if value is False else None


def _number_encoder(low: float, high: float, *, is_integer: bool) -> Encode:
    """Write numbers within limits; a truth value is refused."""

    def encode(value: object) -> str | None:
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            return int.__repr__(value) if low <= value <= high else None
        if is_integer or not isinstance(value, float) or not low <= value <= high:
            return None  # Not a number and the infinities are outside of any limits.
        return float.__repr__(value)

    return encode


def _text_encoder(apply: Rule) -> Encode:
    """Write texts by a rule; results are remembered, since a tracker meets the same texts again."""

    def find(text: str) -> str | None:
        found = apply(text)
        return json.dumps(found) if found is not None else None

    remember = lru_cache(_REMEMBERED)(find)

    def encode(value: object) -> str | None:
        if not isinstance(value, str):
            return None
        text = value if type(value) is str else str.__str__(value)
        return remember(text) if len(text) <= _LONGEST_REMEMBERED else find(text)

    return encode


def _list_encoder(encode: Encode) -> Encode:
    """Write sequences of what an encoder writes; a lone text is none."""

    def encode_all(value: object) -> str | None:
        if not isinstance(value, Sequence) or isinstance(value, _LONE):
            return None
        if len(value) > _MOST_ITEMS:
            return None
        parts = [part for each in value if (part := encode(each)) is not None]
        return f"[{','.join(parts)}]" if len(parts) == len(value) else None

    return encode_all


def _read_rules(schema: Mapping[str, Any]) -> Iterable[_Rule]:
    """Read the schema's conditions: outside a number's limits some members are forbidden."""
    for each in schema.get("allOf", ()):
        ((field, test),) = each["if"]["properties"].items()
        limits = test["not"]
        low, high = limits.get("minimum", limits.get("const")), limits.get("maximum")
        forbidden = tuple(name for name, there in each["then"]["properties"].items() if not there)
        yield _Rule(field, low, limits["const"] if high is None else high, forbidden)
