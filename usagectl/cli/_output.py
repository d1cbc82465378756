"""Own how an answer leaves the program: stdout or the JSON envelope, errors beside it.

The envelope is `{"schema": 1, "command": …, "data": {…}, "errors": […]}`, the
same on failure (design, section 3).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import typer

from usagectl.errors import UsagectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from usagectl.cli._invocation import Invocation
    from usagectl.tools.base import Caution, Switch

SCHEMA = 1


class Answer(NamedTuple):
    """Hold what a command answers, for a machine and for a person.

    Attributes:
        data: the `data` member of the envelope.
        show: draws the same on stdout for a person.
        errors: what went wrong beside the answer; the first gives the exit status.
    """

    data: Mapping[str, object]
    show: Callable[[], None]
    errors: Sequence[UsagectlError] = ()


def emit(answer: Answer, invocation: Invocation, *, as_json: bool) -> None:
    """Print an answer and its errors; exit with the status of the first error."""
    if as_json:
        _print_envelope(invocation.command, answer.data, answer.errors)
    else:
        answer.show()
        for error in answer.errors:
            print_error(error)
    if answer.errors:
        raise typer.Exit(answer.errors[0].exit_status)


def fail(error: UsagectlError, invocation: Invocation) -> None:
    """Print the error that ended a command."""
    if invocation.wants_json:
        _print_envelope(invocation.command, {}, [error])
    else:
        print_error(error)


def fail_usage(error: Exception, invocation: Invocation) -> None:
    """Print Click's own word on a command line that does not fit."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "usagectl"
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    usage = UsageError(text, hint=f"{path} --help")
    if not invocation.command:
        invocation.command = path.removeprefix("usagectl").strip()
    fail(usage, invocation)


def print_error(error: UsagectlError) -> None:
    """Print an error and its next step on stderr."""
    print_notice(f"error: {error.message} [{error.code}]", hint=error.hint)


def print_notice(text: str, *, hint: str = "") -> None:
    """Print a remark and its next step on stderr."""
    typer.echo(printable(text), err=True)
    if hint:
        typer.echo(f"  try: {printable(hint)}", err=True)


def _print_envelope(
    command: str, data: Mapping[str, object], errors: Sequence[UsagectlError]
) -> None:
    import json

    envelope = {
        "schema": SCHEMA,
        "command": command,
        "data": data,
        "errors": [
            {"code": error.code, "message": error.message, "hint": error.hint} for error in errors
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


def switch_data(switch: Switch) -> dict[str, object]:
    """Give a switch its public JSON form."""
    return {
        "source": switch.source,
        "name": switch.name,
        "value": switch.value,
        "origin": switch.origin,
    }


def caution_data(caution: Caution) -> dict[str, object]:
    """Give a warning its public JSON form."""
    return {"code": caution.code, "message": caution.message, "hint": caution.hint}


def explain_switch(switch: Switch) -> str:
    """Say in a few words what decided."""
    if switch.source == "default":
        return "no switch is set"
    value = "" if switch.value is None else f"={switch.value}"
    place = "environment" if switch.source == "environment" else switch.origin
    return f"{switch.name}{value} ({place})"
