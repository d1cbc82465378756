"""Event kinds that a program declares as data: a name, a description, typed and closed fields.

A declared kind has the notice's own form, so whatever reads the notice knows it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from usagectl import notice
from usagectl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from usagectl.notice import Declaration

FieldType = Literal["integer", "number", "boolean", "string"]
Privacy = Literal["usage", "environment", "time", "error-text"]

TYPES: tuple[FieldType, ...] = get_args(FieldType)
PRIVACY: tuple[Privacy, ...] = get_args(Privacy)
"""The privacy classes of declared fields; the notice's others are for what is never recorded."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TOOL = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_CHOICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.+-]{0,62}[A-Za-z0-9+])?")
_TEXT = re.compile(r"[ -~]{0,400}")
_MOST_CHOICES = 64
_MOST_FIELDS = 32
_EXAMPLES: Mapping[str, object] = {"integer": 3, "number": 1.5, "boolean": True}
_ERROR_EXAMPLE = "The file is too long."
_COUNTS = "counts"
_METADATA: dict[str, Any] = {"client_time": "2022-08-30 14:46:54.116457"}
_TIME_SCHEMA = {
    "type": "string",
    "description": "When the event was recorded, to the microsecond, in UTC.",
    "examples": [_METADATA["client_time"]],
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{6})?$",
    "x-privacy": "time",
    "x-emit": "time",
    "x-sentence": "",
}


class InvalidKindError(UsageError):
    """An event kind that cannot be declared, and the reason."""

    code = "invalid-kind"

    def __init__(self, kind: object, *, reason: str) -> None:
        super().__init__(f"{_named(kind)} cannot be declared: {reason}.", hint="usagectl explain")


class UndeclaredKindError(UsageError):
    """A kind that the tracker which is to record it does not declare."""

    code = "undeclared-kind"

    def __init__(self, kind: object, *, is_other: bool) -> None:
        problem = "has another definition in" if is_other else "is not one of"
        message = f"{_named(kind)} {problem} the kinds that this tracker was given."
        super().__init__(message, hint="usagectl explain")


def _named(kind: object) -> str:
    """Name a kind by a name that can be shown."""
    is_name = isinstance(kind, str) and _NAME.fullmatch(kind)
    return f"The event kind {kind}" if is_name else "An event kind"


class Field(NamedTuple):
    """One member of a declared event."""

    name: str  # Lower-case letters, digits and underscores.
    type: FieldType  # Of each value.
    description: str  # One sentence that says what it means.
    privacy: Privacy = "usage"
    # All that a text may be; a text of `error-text` has none and is scrubbed.
    choices: Sequence[str] = ()
    is_list: bool = False  # Whether it holds a list of such values.
    is_optional: bool = False  # Whether it may be absent.


_COUNT = Field("count", "integer", "How often this combination occurred.")


class Kind(NamedTuple):
    """A declared event: its purpose, when it is recorded and what it holds."""

    name: str  # Begins with the name of its tool (`-` as `_`) and `_`.
    description: str  # One sentence that says what it means.
    when: str = ""  # One sentence that says when it is recorded.
    # The members of its payload; of a counter, the labels that are counted by.
    fields: Sequence[Field] = ()
    # Whether it counts; its payload is `{"counts":[{<labels…>,"count":n}]}`.
    is_counter: bool = False

    def schema(self, tool: str = "") -> dict[str, Any]:
        """Return its JSON Schema in the form of the notice's own events.

        Raises:
            InvalidKindError: it cannot be declared.
        """
        check(self)
        about = "When the event was recorded."
        return {
            "title": self.name,
            "description": self.description,
            "type": "object",
            "properties": {
                "name": {"const": self.name, "description": "The name of the event."},
                "metadata": _object_schema(about, {"client_time": _TIME_SCHEMA}, ["client_time"]),
                "payload": _payload_schema(self),
            },
            "required": ["name", "metadata", "payload"],
            "additionalProperties": False,
            "examples": [{"name": self.name, "metadata": _METADATA, "payload": _example(self)}],
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
    reason = next(_problems_of(kind), "")
    if reason:
        raise InvalidKindError(kind.name if isinstance(kind, Kind) else None, reason=reason)


def _is_sequence(value: object) -> bool:
    """True for a list or its like; a lone text, field or kind is a slip: `("a")` is no tuple."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | Field | Kind)


def _problems_of(kind: Any) -> Iterator[str]:  # noqa: ANN401  (a file's, or anybody's)
    """Yield what is wrong with a kind; only the first can be relied on."""
    if not isinstance(kind, Kind) or not _is_name(kind.name):
        yield "its name is not of a-z, 0-9 and _, 64 at most"
    if notice.is_of_notice(kind.name):
        yield "the notice has an event of that name"
    if not _is_line(kind.description):
        yield "it has no description of one plain line, 400 characters at most"
    if kind.when != "" and not _is_line(kind.when):
        yield "when is not a plain line of 400 characters at most"
    fields: object = kind.fields
    if not _is_sequence(fields) or len(kind.fields) > _MOST_FIELDS:
        yield f"fields is a sequence of {_MOST_FIELDS} at most"
    for field in kind.fields:
        yield from _problems_of_field(field, is_label=kind.is_counter)
    if len({field.name for field in kind.fields}) < len(kind.fields):
        yield "two of its fields have one name"


def has_name_of(tool: str, kind: Kind) -> bool:
    """True if a kind's name begins with that of its tool."""
    return kind.name.startswith(f"{tool.replace('-', '_')}_")


def frozen(kind: Any) -> Kind:  # noqa: ANN401  (a file's, or anybody's)
    """Return a kind that can be compared and hashed, whatever sequences its author wrote.

    Raises:
        InvalidKindError: the kind cannot be declared.
    """
    check(kind)
    fields = tuple(field._replace(choices=tuple(field.choices)) for field in kind.fields)
    found: Kind = kind._replace(fields=fields)
    return found


def of_author(tool: str, kinds: object) -> tuple[Kind, ...]:
    """Return the kinds that a program of a tool declares, frozen; two may have one name.

    Raises:
        InvalidKindError: one cannot be declared, or is not named after the tool.
    """
    if not isinstance(kinds, Sequence) or not _is_sequence(kinds):
        raise InvalidKindError(None, reason="kinds is a sequence of kinds")
    found = tuple(map(frozen, kinds))
    declare(tool, found)
    return found


TWINS = "another one of the same declaration has its name"


def refuse_twins(kinds: Iterable[Kind]) -> None:
    """Refuse two kinds of one name: which of them an event is of, nobody could tell.

    Raises:
        InvalidKindError: there are two.
    """
    seen: set[str] = set()
    for kind in kinds:
        if kind.name in seen:
            raise InvalidKindError(kind.name, reason=TWINS)
        seen.add(kind.name)


def declare(tool: str, kinds: Iterable[Kind]) -> tuple[Declaration, ...]:
    """Prepare a tool's kinds for `notice.declared`.

    Raises:
        InvalidKindError: one cannot be declared, or is not named after the tool.
    """
    if not _TOOL.fullmatch(tool):
        raise InvalidKindError(None, reason="the name of its tool is invalid")
    found = []
    for kind in kinds:
        schema = kind.schema(tool)
        if not has_name_of(tool, kind):
            reason = "its name does not begin with that of its tool"
            raise InvalidKindError(kind.name, reason=reason)
        found.append(notice.Declaration(kind.name, schema))
    return tuple(found)


def from_schema(schema: object) -> Kind:
    """Read a kind from its JSON Schema, as `Kind.schema` wrote it; unknown keys are left out.

    Raises:
        InvalidKindError: it is not the schema of a kind that can be declared.
    """
    try:
        kind = _read_kind(schema)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InvalidKindError(None, reason="its schema cannot be understood") from error
    check(kind)
    return kind


def _is_name(text: object) -> bool:
    """True for a text that can name a kind or a field."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _is_line(text: object) -> bool:
    """True for one plain line that can be shown to a person."""
    return isinstance(text, str) and _TEXT.fullmatch(text) is not None and bool(text.strip())


def _problems_of_field(field: Any, *, is_label: bool) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(field, Field) or not _is_name(field.name):
        yield "a field's name is not of a-z, 0-9 and _, 64 at most"
    if field.type not in TYPES or field.privacy not in PRIVACY:
        yield f"the type or the privacy class of {field.name} cannot be declared"
    if not _is_line(field.description):
        yield f"{field.name} has no description of one plain line, 400 characters at most"
    yield from _problems_of_choices(field)
    if is_label and not _is_label(field):
        yield f"{field.name} is not a label: one closed value, always there, not named count"


def _problems_of_choices(field: Field) -> Iterator[str]:
    choices: Any = field.choices
    if not _is_sequence(choices) or len(choices) > _MOST_CHOICES:
        yield f"choices of {field.name} is a sequence of {_MOST_CHOICES} at most"
    if not all(isinstance(each, str) and _CHOICE.fullmatch(each) for each in choices):
        yield f"a choice of {field.name} is not a short plain text"
    is_text, is_error = field.type == "string", field.privacy == "error-text"
    if bool(choices) != (is_text and not is_error) or (is_error and not is_text):
        yield f"{field.name} needs choices if it is a text, unless that is one of error-text"


def _is_label(field: Field) -> bool:
    is_open = field.is_list or field.is_optional or field.privacy == "error-text"
    return not is_open and field.type != "number" and field.name != _COUNT.name


def _field_schema(field: Field) -> dict[str, Any]:
    """Return the JSON Schema of one field, in the form of the notice's own."""
    closing: dict[str, Any] = {}
    if field.choices:
        closing = {"enum": list(field.choices)}
    elif field.type == "string":
        closing = {"x-emit": "scrubbed"}
    head: dict[str, Any] = {"type": field.type, "description": field.description, **closing}
    if field.is_list:
        head = {"type": "array", "description": field.description, "items": head}
    return {
        **head,
        "examples": [_field_example(field)],
        "x-privacy": field.privacy,
        "x-sentence": "",
    }


def _field_example(field: Field) -> object:
    """Return a value that the field may have."""
    one = field.choices[0] if field.choices else _EXAMPLES.get(field.type, _ERROR_EXAMPLE)
    return [one] if field.is_list else one


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


def _payload_schema(kind: Kind) -> dict[str, Any]:
    properties = {field.name: _field_schema(field) for field in kind.fields}
    required = [field.name for field in kind.fields if not field.is_optional]
    if not kind.is_counter:
        return _object_schema("What was recorded.", properties, required)
    properties[_COUNT.name] = {**_field_schema(_COUNT), "minimum": 1}
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
    values = {field.name: _field_example(field) for field in kind.fields}
    if not kind.is_counter:
        return values
    return {_COUNTS: [{**values, _COUNT.name: _field_example(_COUNT)}]}


def _read_kind(schema: Any) -> Kind:  # noqa: ANN401
    payload = schema["properties"]["payload"]
    is_counter = bool(schema.get("x-counter"))
    if is_counter:
        payload = payload["properties"][_COUNTS]["items"]
    fields = tuple(
        _read_field(name, each, is_optional=name not in payload["required"])
        for name, each in payload["properties"].items()
        if not (is_counter and name == _COUNT.name)
    )
    name = schema["properties"]["name"]["const"]
    return Kind(name, schema["description"], schema["x-when"], fields, is_counter=is_counter)


def _read_field(name: str, schema: Any, *, is_optional: bool) -> Field:  # noqa: ANN401
    is_list = schema["type"] == "array"
    one = schema["items"] if is_list else schema
    return Field(
        name,
        one["type"],
        schema["description"],
        schema["x-privacy"],
        tuple(one.get("enum", ())),
        is_list=is_list,
        is_optional=is_optional,
    )
