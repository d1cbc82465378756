"""Answers, errors and questions: what goes to stdout, into the JSON envelope, to stderr.

The envelope is `{"schema": 1, "command": …, "data": {…}, "errors": […]}`, the
same on failure (design, section 3).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple, TextIO

import typer

from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from usagectl.cli._commands import Invocation

SCHEMA = 1


class OutputUnwritableError(UsagectlError):
    """Stdout takes nothing more, so the answer is lost."""

    code = "output-unwritable"
    exit_status = 3

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"The answer cannot be written to stdout: {reason}.", hint="df -h")


class Answer(NamedTuple):
    """What a command answers, for a machine and for a person.

    Attributes:
        data: makes the `data` member of the envelope.
        show: draws the same on stdout for a person.
        errors: what went wrong beside the answer; the first gives the exit status.
        status: the exit status where nothing went wrong.
    """

    data: Callable[[], Mapping[str, object]]
    show: Callable[[], None]
    errors: Sequence[UsagectlError] = ()
    status: int = 0


def emit(answer: Answer, invocation: Invocation) -> None:
    """Print an answer and its errors; exit with the status of the first error."""
    if invocation.as_json:
        _print_envelope(invocation.command, answer.data(), answer.errors)
    else:
        answer.show()
        sys.stdout.flush()  # With both streams in one file, errors come after the answer.
        for error in answer.errors:
            print_error(error, command=invocation.command)
    status = answer.errors[0].exit_status if answer.errors else answer.status
    if status:
        raise typer.Exit(status)


def fail(error: UsagectlError, invocation: Invocation) -> None:
    """Print the error that ended a command."""
    if invocation.wants_json:
        _print_envelope(invocation.command, {}, [error])
    else:
        print_error(error, command=invocation.command)


def fail_unwritable(error: OSError) -> int:
    """Print that stdout cannot be written (the disk is full, say); return the exit status."""
    silence(sys.stdout)
    unwritable = OutputUnwritableError(reason=(error.strerror or "unknown").lower())
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


def print_error(error: UsagectlError, *, command: str = "") -> None:
    """Print an error and its next step on stderr."""
    print_remark(f"error: {error.message} [{error.code}]", hint=_next_step(error, command))


def _next_step(error: UsagectlError, command: str) -> str:
    """Return the next step of a failure: its own, else the help of its command."""
    return error.hint or " ".join(("usagectl", *command.split(), "--help"))


def print_remark(text: str, *, hint: str = "") -> None:
    """Print a remark and its next step on stderr."""
    lines = [*_wrap(printable_line(text)), *([f"  try: {printable_line(hint)}"] if hint else [])]
    try:
        typer.echo("\n".join(lines), err=True)
    except OSError:  # A stderr that is full or gone changes nothing.
        silence(sys.stderr)


def _wrap(text: str) -> list[str]:
    """Wrap at words on a terminal; elsewhere keep one line, so that it can be searched."""
    if not sys.stderr.isatty():
        return [text]
    from shutil import get_terminal_size
    from textwrap import wrap

    width = get_terminal_size().columns
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


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
    """True if a person can read a question and answer it; a closed stream is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _print_envelope(
    command: str, data: Mapping[str, object], errors: Sequence[UsagectlError]
) -> None:
    import json

    envelope = {
        "schema": SCHEMA,
        "command": command,
        "data": data,
        "errors": [
            {"code": error.code, "message": error.message, "hint": _next_step(error, command)}
            for error in errors
        ],
    }
    typer.echo(json.dumps(envelope, indent=2 if sys.stdout.isatty() else None))


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
