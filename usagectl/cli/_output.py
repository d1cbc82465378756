"""Answers, errors and questions: what goes to stdout, into the JSON envelope, to stderr.

The envelope is `{"schema": 1, "command": …, "data": {…}, "errors": […]}`, the
same on failure (design, section 3). Of a value of the library `_FORMS` says which members
are public and `_MASKED` which may be secret; one that it does not name shows all of its members.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

import typer

from usagectl.endpoint import origin_of
from usagectl.errors import UsagectlError
from usagectl.machine.file_errors import hint_of_home, reason_of
from usagectl.sensitive import mask_url_credentials, redact
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from usagectl.cli._commands import Invocation
    from usagectl.cli._render import Page
    from usagectl.consent import Consent
    from usagectl.identity import MachineId

SCHEMA = 1
STYLES = {
    "on": "bold red",
    "local": "yellow",
    "off": "green",
    "asks": "green",
    "unknown": "bold red",
    "absent": "dim",
}
"""How a verdict on a tool part is drawn."""


class OutputUnwritableError(UsagectlError):
    """Stdout takes nothing more, so the answer is lost."""

    code = "output-unwritable"
    exit_status = 3

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"The answer cannot be written to stdout: {reason}.", hint="df -h")


class Answer(Value):
    """What a command answers, for a machine and for a person.

    Attributes:
        data: makes the `data` member of the envelope.
        show: draws the same on stdout for a person.
        errors: what went wrong beside the answer; the first gives the exit status.
        status: the exit status where nothing went wrong.
        heeds_columns: whether its errors wrap as COLUMNS says where stderr is no terminal.
    """

    data: Callable[[], Mapping[str, object]]
    show: Callable[[], None]
    errors: Sequence[UsagectlError] = ()
    status: int = 0
    heeds_columns: bool = False


def emit(answer: Answer, invocation: Invocation) -> None:
    """Print an answer and its errors; exit with the status of the first error."""
    _lead_home(answer.errors, invocation)
    if invocation.as_json:
        _print_envelope(invocation.command, answer.data(), answer.errors)
    else:
        answer.show()
        sys.stdout.flush()  # With both streams in one file, errors come after the answer.
        for error in answer.errors:
            print_error(error, command=invocation.command, heeds_columns=answer.heeds_columns)
    status = answer.errors[0].exit_status if answer.errors else answer.status
    if status:
        raise typer.Exit(status)


def fail(error: UsagectlError, invocation: Invocation) -> None:
    """Print the error that ended a command."""
    _lead_home([error], invocation)
    if invocation.wants_json:
        _print_envelope(invocation.command, {}, [error])
    else:
        print_error(error, command=invocation.command)


def _lead_home(errors: Sequence[UsagectlError], invocation: Invocation) -> None:
    """Lead an account without a home to the variable to set, not to a folder that cannot be."""
    for error in errors:
        if error.unwritable is not None:
            error.hint = hint_of_home(invocation.environment, error.unwritable) or error.hint


def fail_unwritable(error: OSError) -> int:
    """Print that stdout cannot be written (the disk is full, say); return the exit status."""
    silence(sys.stdout)
    unwritable = OutputUnwritableError(reason=reason_of(error))
    print_error(unwritable)
    return unwritable.exit_status


def is_broken(stream: TextIO) -> bool:
    """True if a stream still refuses what it was given."""
    try:
        stream.flush()
    except OSError:
        return True
    return False


def silence(stream: TextIO) -> None:
    """Lead a broken stream nowhere; at exit Python would try it again, and fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_error(error: UsagectlError, *, command: str = "", heeds_columns: bool = False) -> None:
    """Print an error and its next step on stderr."""
    text, hint = f"error: {error.message} [{error.code}]", _next_step(error, command)
    print_remark(text, hint=hint, heeds_columns=heeds_columns)


def _next_step(error: UsagectlError, command: str) -> str:
    """Return the next step of a failure: its own, else the help of its command."""
    return error.hint or " ".join(("usagectl", *command.split(), "--help"))


def print_remark(text: str, *, hint: str = "", heeds_columns: bool = False) -> None:
    """Print a remark and its next step on stderr."""
    wrapped = _wrap(printable_line(text), heeds_columns=heeds_columns)
    lines = [*wrapped, *([f"  try: {printable_line(hint)}"] if hint else [])]
    try:
        typer.echo("\n".join(lines), err=True)
    except OSError:  # A stderr that is full or gone changes nothing.
        silence(sys.stderr)


def _wrap(text: str, *, heeds_columns: bool) -> list[str]:
    """Wrap at words on a terminal; elsewhere keep one line, so that it can be searched."""
    is_as_wide = heeds_columns and os.environ.get("COLUMNS", "").isdecimal()
    if not sys.stderr.isatty() and not is_as_wide:
        return [text]
    from shutil import get_terminal_size
    from textwrap import wrap

    width = get_terminal_size().columns
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


def new_page(*, is_prose: bool = False, heeds_columns: bool = False) -> Page:
    """Begin a page on stdout; what draws it is loaded now, since --json needs none of it."""
    from usagectl.cli._render import Page

    return Page(is_prose=is_prose, heeds_columns=heeds_columns)


def print_line(text: str) -> None:
    """Print one line on stdout that holds values of files."""
    typer.echo(printable_line(text))


def print_raw(texts: Iterable[bytes]) -> None:
    """Print exact bytes on stdout, each text in a line of its own."""
    sys.stdout.flush()
    sys.stdout.buffer.writelines(text + b"\n" for text in texts)
    sys.stdout.buffer.flush()


def confirm(question: str, *, otherwise: str = "Nothing was changed.") -> None:
    """Ask on a terminal; elsewhere the command line itself is the answer, so nothing hangs.

    Raises:
        typer.Exit: the answer was no; the status is 1.
        typer.Abort: it was interrupted.
    """
    if can_ask() and not typer.confirm(question, err=True):
        print_remark(otherwise)
        raise typer.Exit(1)


def can_ask() -> bool:
    """True if a person can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _print_envelope(
    command: str, data: Mapping[str, object], errors: Sequence[UsagectlError]
) -> None:
    document = envelope(command, data, errors)
    typer.echo(json.dumps(document, indent=2 if sys.stdout.isatty() else None))


def envelope(
    command: str, data: Mapping[str, object], errors: Sequence[UsagectlError]
) -> dict[str, object]:
    """Return the one object that answers a command for a machine."""
    return {
        "schema": SCHEMA,
        "command": command,
        "data": data,
        "errors": [
            {"code": error.code, "message": error.message, "hint": _next_step(error, command)}
            for error in errors
        ],
    }


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


_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bytes, bytes.decode),
    (datetime, datetime.isoformat),
    (PurePath, str),
)

_FORMS: Mapping[str, str] = {
    "Audited": (
        "source=source_name events=result.events by_name=result.by_name findings=result.findings "
        "other_requests=result.other_requests totals bad_lines=result.bad_lines "
        "first_bad_line=result.first_bad_line fail_on baseline_written=written dry_run"
    ),
    "Consent": (
        "name=tool part telemetry=shown installed=installation.installed "
        "version=installation.version endpoint decided_by overridden warnings=cautions "
        "senders asks summary evidence"
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
        "planned sent=progress.sent rejected=progress.rejected kept batches=progress.batches "
        "bytes=progress.bytes seconds"
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
