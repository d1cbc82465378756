"""Own event kinds that a program declares as data: a name, a description, typed and closed fields.

A declared kind has the notice's own form, so that whatever reads the notice knows it
too. It must not know which programs there are, nor how their kinds are kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl import notice
from usagectl.events import kind_fields
from usagectl.events.kind_fields import PRIVACY, TYPES, Field, InvalidKindError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from usagectl.notice import Declaration

__all__ = [
    "PRIVACY",
    "TYPES",
    "Field",
    "InvalidKindError",
    "Kind",
    "check",
    "declare",
    "from_schema",
    "has_name_of",
]

_TOOL = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_MOST_FIELDS = 32
_COUNTS = "counts"
_COUNT = Field("count", "integer", "How often this combination occurred.")
_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{6})?$"
_INSTANT = "2022-08-30 14:46:54.116457"


class Kind(NamedTuple):
    """Tell what a declared event is for, when it is recorded and what it holds.

    Attributes:
        name: begins with the name of its tool (`-` as `_`) and `_`.
        description: one sentence that says what it tells.
        when: one sentence that says when it is recorded.
        fields: the members of its payload; of a counter, the labels that are counted by.
        is_counter: whether it counts: its payload is `{"counts":[{<labels…>,"count":n}]}`.
    """

    name: str
    description: str
    when: str = ""
    fields: tuple[Field, ...] = ()
    is_counter: bool = False

    def schema(self, tool: str = "") -> dict[str, Any]:
        """Return its JSON Schema in the form of the notice's own events.

        Raises:
            InvalidKindError: it is no kind that can be declared.
        """
        check(self)
        metadata = _object_schema(
            "When the event was recorded.", {"client_time": _client_time_schema()}, ["client_time"]
        )
        payload = _payload_schema(self)
        example = {"client_time": _INSTANT}
        return {
            "title": self.name,
            "description": self.description,
            "type": "object",
            "properties": {
                "name": {"const": self.name, "description": "The name of the event."},
                "metadata": metadata,
                "payload": payload,
            },
            "required": ["name", "metadata", "payload"],
            "additionalProperties": False,
            "examples": [{"name": self.name, "metadata": example, "payload": _example(self)}],
            "x-when": self.when,
            "x-endpoint": "events",
            "x-sentence": "",
            "x-tools": [tool] if tool else [],
            "x-since": None,
            "x-until": None,
            "x-undocumented-fields": [],
            "x-counter": self.is_counter,
        }


def check(kind: Any) -> None:  # noqa: ANN401  (a file's, or anybody's)
    """Refuse a kind with anything open in it, or in a form that could not be shown.

    Raises:
        InvalidKindError: the kind cannot be declared.
    """
    if not isinstance(kind, Kind) or not kind_fields.is_name(kind.name):
        raise InvalidKindError(None, reason="its name is not of a-z, 0-9 and _, 64 at most")
    if notice.is_of_notice(kind.name):
        raise InvalidKindError(kind.name, reason="the notice has an event of that name")
    if not kind_fields.is_line(kind.description):
        reason = "it has no description of one plain line, 400 characters at most"
        raise InvalidKindError(kind.name, reason=reason)
    if not kind_fields.is_line(kind.when, may_be_empty=True):
        raise InvalidKindError(kind.name, reason="when is no plain line of 400 characters at most")
    if type(kind.is_counter) is not bool:
        raise InvalidKindError(kind.name, reason="is_counter is true or false")
    fields: object = kind.fields
    if not isinstance(fields, tuple) or len(fields) > _MOST_FIELDS:
        raise InvalidKindError(kind.name, reason=f"fields is a tuple of {_MOST_FIELDS} at most")
    for field in kind.fields:
        kind_fields.check(kind.name, field)
        if kind.is_counter:
            _check_label(kind.name, field)
    if len({field.name for field in kind.fields}) < len(kind.fields):
        raise InvalidKindError(kind.name, reason="two of its fields have one name")


def has_name_of(tool: str, kind: Kind) -> bool:
    """Tell whether a kind's name begins with that of its tool."""
    return kind.name.startswith(f"{tool.replace('-', '_')}_")


def declare(tool: str, kinds: Iterable[Kind]) -> tuple[Declaration, ...]:
    """Prepare a tool's kinds for `notice.declared`.

    Raises:
        InvalidKindError: one cannot be declared, or is not named after the tool.
    """
    if not _TOOL.fullmatch(tool):
        raise InvalidKindError(None, reason="the name of its tool is none")
    found = []
    for kind in kinds:
        schema = kind.schema(tool)
        if not has_name_of(tool, kind):
            reason = "its name does not begin with that of its tool"
            raise InvalidKindError(kind.name, reason=reason)
        found.append(notice.Declaration(kind.name, schema))
    return tuple(found)


def from_schema(schema: object) -> Kind:
    """Read a kind from its JSON Schema, as `Kind.schema` wrote it; what is unknown is left out.

    Raises:
        InvalidKindError: it is no schema of a kind that can be declared.
    """
    try:
        kind = _read_kind(schema)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InvalidKindError(None, reason="its schema cannot be understood") from error
    check(kind)
    return kind


def _check_label(kind: str, field: Field) -> None:
    is_open = field.is_list or field.is_optional or field.privacy == "error-text"
    if is_open or field.type == "number" or field.name == _COUNT.name:
        reason = f"{field.name} is no label: one closed value, always there, not named count"
        raise InvalidKindError(kind, reason=reason)


def _object_schema(
    description: str, properties: dict[str, Any], required: list[str]
) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _client_time_schema() -> dict[str, Any]:
    return {
        "type": "string",
        "description": "When the event was recorded, to the microsecond, in UTC.",
        "examples": [_INSTANT],
        "pattern": _TIME,
        "x-privacy": "time",
        "x-emit": "time",
        "x-sentence": "",
    }


def _payload_schema(kind: Kind) -> dict[str, Any]:
    properties = {field.name: kind_fields.schema(field) for field in kind.fields}
    required = [field.name for field in kind.fields if not field.is_optional]
    if not kind.is_counter:
        return _object_schema("What was recorded.", properties, required)
    properties[_COUNT.name] = {**kind_fields.schema(_COUNT), "minimum": 1}
    items = _object_schema("One combination of labels.", properties, [*required, _COUNT.name])
    counts = {
        "type": "array",
        "description": "How often each combination occurred.",
        "items": items,
        "examples": [_example(kind)[_COUNTS]],
        "x-privacy": "usage",
        "x-sentence": "",
    }
    return _object_schema("The counts.", {_COUNTS: counts}, [_COUNTS])


def _example(kind: Kind) -> dict[str, Any]:
    values = {field.name: kind_fields.example(field) for field in kind.fields}
    if not kind.is_counter:
        return values
    return {_COUNTS: [{**values, _COUNT.name: kind_fields.example(_COUNT)}]}


def _read_kind(schema: Any) -> Kind:  # noqa: ANN401
    payload = schema["properties"]["payload"]
    is_counter = schema.get("x-counter", False)
    if is_counter:
        payload = payload["properties"][_COUNTS]["items"]
    fields = tuple(
        kind_fields.read(name, each, is_optional=name not in payload["required"])
        for name, each in payload["properties"].items()
        if not (is_counter and name == _COUNT.name)
    )
    name = schema["properties"]["name"]["const"]
    return Kind(name, schema["description"], schema["x-when"], fields, is_counter=is_counter)
