"""Own one field of a declared event kind: what it may be, and its JSON Schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from usagectl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FieldType = Literal["integer", "number", "boolean", "string"]

TYPES: tuple[FieldType, ...] = ("integer", "number", "boolean", "string")
PRIVACY = ("usage", "environment", "time", "error-text")
"""The privacy classes of declared fields; the notice's others are for what we never take."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CHOICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.+-]{0,62}[A-Za-z0-9+])?")
_TEXT = re.compile(r"[ -~]{0,400}")
_MOST_CHOICES = 64
_EXAMPLES: Mapping[str, object] = {"integer": 3, "number": 1.5, "boolean": True}
_ERROR_EXAMPLE = "The file is too long."


class InvalidKindError(UsageError):
    """Tell that a declared event kind cannot be taken, and why."""

    code = "invalid-kind"

    def __init__(self, kind: object, *, reason: str) -> None:
        is_name = isinstance(kind, str) and _NAME.fullmatch(kind)
        name = f"The event kind {kind}" if is_name else "An event kind"
        super().__init__(f"{name} cannot be declared: {reason}.", hint="usagectl explain")


class Field(NamedTuple):
    """Tell what one member of a declared event holds.

    Attributes:
        name: lower-case letters, digits and underscores.
        type: of each value.
        description: one sentence that says what it tells.
        privacy: one of `PRIVACY`.
        choices: all that a text may be. Only one of `error-text` has none; that is scrubbed.
        is_list: whether it holds a list of such values.
        is_optional: whether it may be absent.
    """

    name: str
    type: FieldType
    description: str
    privacy: str = "usage"
    choices: tuple[str, ...] = ()
    is_list: bool = False
    is_optional: bool = False


def is_name(text: object) -> bool:
    """Tell whether a text can name a kind or a field."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_line(text: object, *, may_be_empty: bool = False) -> bool:
    """Tell whether a text is one plain line that can be shown to a person."""
    if not isinstance(text, str) or not _TEXT.fullmatch(text):
        return False
    return may_be_empty or bool(text.strip())


def check(kind: str, field: Any) -> None:  # noqa: ANN401  (a file's, or anybody's)
    """Refuse a field that is open, or in a form that could not be shown.

    Raises:
        InvalidKindError: the field cannot be declared.
    """
    if not isinstance(field, Field) or not is_name(field.name):
        raise InvalidKindError(kind, reason="a field's name is not of a-z, 0-9 and _, 64 at most")
    if field.type not in TYPES or field.privacy not in PRIVACY:
        reason = f"the type or the privacy class of {field.name} is none that can be declared"
        raise InvalidKindError(kind, reason=reason)
    flags: tuple[object, ...] = (field.is_list, field.is_optional)
    if not all(type(flag) is bool for flag in flags):
        reason = f"is_list and is_optional of {field.name} are true or false"
        raise InvalidKindError(kind, reason=reason)
    if not is_line(field.description):
        reason = f"{field.name} has no description of one plain line, 400 characters at most"
        raise InvalidKindError(kind, reason=reason)
    _check_choices(kind, field)


def schema(field: Field) -> dict[str, Any]:
    """Return the JSON Schema of one field, in the form of the notice's own."""
    closing: dict[str, Any] = {}
    if field.choices:
        closing = {"enum": list(field.choices)}
    elif field.type == "string":
        closing = {"x-emit": "scrubbed"}
    head: dict[str, Any] = {"type": field.type, "description": field.description, **closing}
    if field.is_list:
        head = {"type": "array", "description": field.description, "items": head}
    return {**head, "examples": [example(field)], "x-privacy": field.privacy, "x-sentence": ""}


def example(field: Field) -> object:
    """Return a value that the field may have."""
    one = field.choices[0] if field.choices else _EXAMPLES.get(field.type, _ERROR_EXAMPLE)
    return [one] if field.is_list else one


def read(name: str, schema: Any, *, is_optional: bool) -> Field:  # noqa: ANN401
    """Read a field from its JSON Schema; what that holds is not checked."""
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


def _check_choices(kind: str, field: Field) -> None:
    choices: Any = field.choices
    if not isinstance(choices, tuple) or len(choices) > _MOST_CHOICES:
        reason = f"choices of {field.name} is a tuple of {_MOST_CHOICES} at most"
        raise InvalidKindError(kind, reason=reason)
    if not all(isinstance(each, str) and _CHOICE.fullmatch(each) for each in choices):
        reason = f"a choice of {field.name} is no short plain text"
        raise InvalidKindError(kind, reason=reason)
    is_text, is_error = field.type == "string", field.privacy == "error-text"
    if bool(choices) != (is_text and not is_error) or (is_error and not is_text):
        reason = f"{field.name} needs choices if it is a text, unless that is one of error-text"
        raise InvalidKindError(kind, reason=reason)
