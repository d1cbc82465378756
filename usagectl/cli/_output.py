"""Answers, errors and questions: what goes to stdout, into the JSON envelope, to stderr.

The envelope is `{"schema": 1, "command": …, "data": {…}, "errors": […]}`, the
same on failure (design, section 3).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

import typer

from usagectl.errors import UsagectlError
from usagectl.machine.file_errors import hint_of_home, reason_of
from usagectl.showing import envelope, printable_line
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from usagectl.cli._commands import Invocation
    from usagectl.cli._render import Page

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
    document = envelope_of(command, data, errors)
    typer.echo(json.dumps(document, indent=2 if sys.stdout.isatty() else None))


def envelope_of(
    command: str, data: Mapping[str, object], errors: Sequence[UsagectlError]
) -> dict[str, object]:
    """Return the one object that answers a command for a machine."""
    return envelope(command, data, [(error, _next_step(error, command)) for error in errors])
