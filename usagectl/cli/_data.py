"""JSON data of the library's values: which members are public, under which names, what is masked.

A value that `_FORMS` does not name shows all of its members under their own names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from usagectl.endpoint import origin_of
from usagectl.sensitive import mask_url_credentials, redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.consent import Consent
    from usagectl.identity import MachineId

_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bytes, bytes.decode),
    (datetime, datetime.isoformat),
    (PurePath, str),
)

_FORMS: Mapping[str, str] = {
    "Consent": (
        "name=tool part telemetry installed=installation.installed version=installation.version "
        "endpoint decided_by overridden warnings=cautions"
    ),
    "Entry": (
        "uid time tool event state bytes=size at=handover.at to=handover.to "
        "status=handover.status answer=handover.answer"
    ),
    "EventForm": "name fields",
    "EventOption": "name option required default meaning",
    "Finding": (
        "rule name level event field count message example sentence known since advice line "
        "suppressed fingerprint"
    ),
    "Notice": (
        "events undocumented_events never_collected departures licence switch privacy_classes "
        "declared_events"
    ),
    "MachineId": "value kind path=place.path",
    "Replacement": (
        "tool=place.tool part=place.part path=place.path before after changed set_aside "
        "problem=problem.code"
    ),
    "Rule": "id name level title explanation known advice",
    "SpoolState": "path pending sent rejected bytes lost=losses",
    "Switch": "source name value origin",
}
"""By class: the public members, `name=path` where the value has them under another name."""


def _shown_id(value: object, *, reveal: bool) -> object:
    """Mask an ID; a file may hold any JSON value in its place, NaN and nested ones too."""
    if value is None:
        return None
    if not reveal:
        return redact(value)
    return value if isinstance(value, str | int) else json.dumps(value)


def _shown_address(url: str, *, reveal: bool) -> str:
    return url if reveal else mask_url_credentials(url)


def origin_shown(url: str) -> str:
    """Name where events went: no more of an address than that is shown."""
    return origin_of(url) if "://" in url else ""


_MASKED: Mapping[str, Callable[..., object]] = {
    "Consent.endpoint": _shown_address,
    "Entry.to": lambda url, reveal: None if url is None else origin_shown(url),  # noqa: ARG005
    "MachineId.value": _shown_id,
    "Replacement.after": _shown_id,
}
"""What shows a member that may be secret, by class and public name."""


def as_data(value: object, *, reveal: bool = False) -> Any:  # noqa: ANN401  (JSON)
    """Turn a value, and whatever it is made of, into JSON data; what may be secret is masked.

    With `reveal` nothing is masked. Bytes have to be UTF-8.
    """
    for form, write in _TEXTS:
        if isinstance(value, form):
            return write(value)
    if isinstance(value, Mapping):
        return {str(name): as_data(each, reveal=reveal) for name, each in value.items()}
    kind: Any = type(value)
    if members := _members(kind):
        return {name: _shown(value, name, path, reveal=reveal) for name, path in members.items()}
    if isinstance(value, tuple | list):
        return [as_data(each, reveal=reveal) for each in value]
    return value


def part_data(
    part: Consent, machine_ids: Sequence[MachineId], *, reveal: bool = False
) -> dict[str, object]:
    """Give the verdict on a tool part, with its machine ID, its public JSON form."""
    from usagectl.identity import of_part  # two commands of many ask

    machine_id = as_data(of_part(part, machine_ids), reveal=reveal)
    return {**as_data(part, reveal=reveal), "machine_id": machine_id}


@cache
def _members(kind: type) -> Mapping[str, str]:
    """Map public names to paths; empty for a class that is no NamedTuple or dataclass."""
    if form := _FORMS.get(kind.__name__):
        pairs = (word.partition("=") for word in form.split())
        return {name: path or name for name, _, path in pairs}
    fields: Iterable[str] = getattr(kind, "_fields", getattr(kind, "__dataclass_fields__", ()))
    return {name: name for name in fields}


def _shown(value: object, name: str, path: str, *, reveal: bool) -> object:
    found: object = value
    for step in path.split("."):
        found = None if found is None else getattr(found, step)
    if show := _MASKED.get(f"{type(value).__name__}.{name}"):
        return show(found, reveal=reveal)
    return as_data(found, reveal=reveal)
