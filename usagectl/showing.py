"""Values as people and programs are shown them: text that drives no terminal, public JSON.

Of a value of the library `_FORMS` says which members are public and `_MASKED` which may be
secret; one that it does not name shows all of its members.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from usagectl.endpoint import origin_of
from usagectl.sensitive import mask_url_credentials, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from usagectl.consent import Consent
    from usagectl.errors import UsagectlError
    from usagectl.identity import MachineId, Replacement
    from usagectl.machine.environment import Environment
    from usagectl.preview import Preview
    from usagectl.switching import SwitchResult
    from usagectl.tools.base import Change

SCHEMA = 1
JSON_HELP = "Answer as one JSON object on stdout."
_SHOWN_CHARACTERS = 200


def printable(text: str) -> str:
    """Escape control characters: a value from a file must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def printable_line(text: str) -> str:
    """Escape line ends too: a value from a file must not forge a line of the answer."""
    return printable(text).replace("\n", "\\n")


def _shown_bytes(data: bytes) -> str:
    """Write bytes as the text that they are, else in Base64: those of protobuf, or compressed."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode("ascii")


_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bytes, _shown_bytes),
    (datetime, datetime.isoformat),
    (PurePath, str),
)

_FORMS: Mapping[str, str] = {
    "Audited": (
        "source=source_name events=result.events by_name=result.by_name findings=result.findings "
        "other_requests=result.other_requests totals bad_lines=result.bad_lines "
        "first_bad_line=result.first_bad_line fail_on baseline_written=written dry_run"
    ),
    "AuditResult": ("events by_name findings other_requests totals bad_lines first_bad_line"),
    "Consent": (
        "name=tool part telemetry=shown installed=installation.installed "
        "version=installation.version endpoint decided_by overridden warnings=cautions "
        "senders asks summary evidence privacy"
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
    "Remark": "text hosts versions=seen",
    "Replacement": (
        "tool=place.tool part=place.part path=place.path before after changed set_aside "
        "problem=problem.code"
    ),
    "Preview": (
        "tool=consent.tool part=consent.part telemetry=consent.shown "
        "decided_by=consent.decided_by would_send"
    ),
    "ReplayResult": (
        "planned sent=progress.sent rejected=progress.rejected refused=progress.refused kept "
        "batches=progress.batches bytes=progress.bytes seconds message"
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


def _shown_origin(url: str | None, *, reveal: bool) -> str | None:  # noqa: ARG001
    return None if url is None else origin_shown(url)


_MASKED: Mapping[str, Callable[..., object]] = {
    "Consent.endpoint": _shown_address,
    "Entry.to": _shown_origin,
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
    """Return the verdict on a tool part, with its machine ID, in its public JSON form."""
    from usagectl.identity import of_part  # two commands of many ask

    machine_id = as_data(of_part(part, machine_ids), reveal=reveal)
    return {**as_data(part, reveal=reveal), "machine_id": machine_id}


@cache
def _members(kind: type) -> Mapping[str, str]:
    """Map public names to paths; empty for a class that is no Value or dataclass."""
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


def envelope(
    command: str, data: Mapping[str, object], errors: Sequence[tuple[UsagectlError, str]]
) -> dict[str, object]:
    """Return the one object that answers a command for a machine; each error with its next step."""
    told = [{"code": error.code, "message": error.message, "hint": hint} for error, hint in errors]
    return {"schema": SCHEMA, "command": command, "data": data, "errors": told}


def preview_data(previews: Sequence[Preview], notices: Sequence[str]) -> dict[str, object]:
    """Return previews, with remarks on all of them, in their public JSON form."""
    sending = [found for found in previews if found.would_send]
    decider = next(iter((*sending, *previews)), None)
    return {
        "requests": as_data([request for found in previews for request in found.requests]),
        "would_send": bool(sending) or _nobody_tells(previews),
        "decided_by": as_data(decider.consent.decided_by) if decider else None,
        "verdicts": as_data(previews),
        "warnings": as_data([caution for found in previews for caution in found.cautions]),
        "notices": list(notices),
    }


def _nobody_tells(previews: Sequence[Preview]) -> bool | None:
    """Return None if it is not known of a part whether it sends, else False."""
    return None if any(found.would_send is None for found in previews) else False


def switch_data(
    environment: Environment, result: SwitchResult, *, dry_run: bool, changes: Sequence[object] = ()
) -> dict[str, object]:
    """Return what switching did in its public JSON form; other changes come first."""
    from usagectl.identity import read_all  # few commands switch

    ids = read_all(environment)
    return {
        "dry_run": dry_run,
        "changes": as_data((*changes, *result.changes)),
        "purged": result.purged,
        "tools": [part_data(part, ids) for part in result.consents],
    }


def why_nothing(found: Preview) -> str:
    """Say in a sentence or two why a preview has no request."""
    part = found.consent
    if not part.counts:
        return f"{part.name} is not on this machine, so nothing is sent."
    if found.would_send:
        absent = "" if part.installation.installed else " if it were on this machine"
        return f"{part.name} would send events{absent}. {found.cautions[0].message}"
    if found.is_unknown and found.cautions:
        reason = found.cautions[0].message
        state = "is off" if part.telemetry == "off" else "sends nothing"
        return f"{part.name} {state}. If it were on, it would send events. {reason}"
    if found.cautions:
        return f"{part.name}: nothing would be sent. {found.cautions[0].message}"
    return f"{part.name}: {part.telemetry}; nothing would be sent. {_reason(part)}"


def _reason(part: Consent) -> str:
    """Say in a sentence which switch decided, or that none is set."""
    from usagectl.consent import describe  # --version needs none of it

    if part.decided_by.source == "default":
        return "No switch is set."
    return f"Decided by: {describe(part.decided_by)}."


def headline(found: Preview) -> str:
    """Say in a sentence whether the requests of a preview would be sent."""
    part = found.consent
    if not part.counts:
        how = "" if part.telemetry == "on" else " with telemetry on"
        return f"{part.name} is not on this machine. If it were{how}, it would send this."
    if found.would_send:
        return f"{part.name} would send this. {_reason(part)}"
    if part.telemetry == "unknown":
        return f"{part.name} runs. Whether it sends is unknown; if it does, it sent this."
    if part.telemetry == "local":
        return f"{part.name} records this here and sends nothing. {_reason(part)}"
    return f"{part.name} is off. If it were on, it would send this. {_reason(part)}"


def told_change(change: Change, *, dry_run: bool) -> str:
    """Say in a sentence what switching wrote, or would write."""
    what = f"{change.tool}: {change.file}"
    is_gone = change.value is None
    setting = f"no {change.name}" if is_gone else f"{change.name}={change.value}"
    if not change.changed:
        return f"{what} stays as it is: {setting}"
    if dry_run:
        return f"{what} would {f'lose {change.name}' if is_gone else f'get {setting}'}"
    return f"{what} has {setting} now"


def told_replacement(
    found: Replacement, *, dry_run: bool, reveal: bool = False, is_typed: bool = False
) -> str:
    """Say what happened at a place; an ID that was typed is no secret."""
    before = (
        shown_id(found.before.value, reveal=reveal) if found.before.value is not None else "none"
    )
    what = f"{found.place.path}: {before} ({found.before.kind})"
    if found.after is None and not found.changed:
        return f"{found.place.path}: holds no ID"
    if found.after is None:
        return f"{what} {'would be' if dry_run else 'was'} removed"
    after = shown_id(found.after, reveal=reveal or is_typed)
    if not found.changed:
        return f"{found.place.path}: stays {after}"
    return f"{what} {'would become' if dry_run else 'became'} {after}"


def shown_id(value: object, *, reveal: bool) -> str:
    """Write a machine ID for a person, masked or at most so long that it can be laid out."""
    if not reveal:
        return redact(value)
    text = str(value)
    # A file may hold anything, and laying out megabytes takes minutes; --json has it whole.
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
