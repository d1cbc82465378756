"""Own how an answer leaves the program: stdout or the JSON envelope, errors beside it.

The envelope is `{"schema": 1, "command": …, "data": {…}, "errors": […]}`, the
same on failure (design, section 3).
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

from usagectl.cli._commands import MODULES
from usagectl.errors import UsagectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from usagectl.cli._commands import Invocation

SCHEMA = 1


class OutputUnwritableError(UsagectlError):
    """Tell that stdout takes nothing more, so that the answer is lost."""

    code = "output-unwritable"
    exit_status = 3

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"The answer cannot be written to stdout: {reason}.", hint="df -h")


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
        sys.stdout.flush()  # With both streams in one file, errors come after the answer.
        for error in answer.errors:
            print_error(error, command=invocation.command)
    if answer.errors:
        raise typer.Exit(answer.errors[0].exit_status)


def fail(error: UsagectlError, invocation: Invocation) -> None:
    """Print the error that ended a command."""
    if invocation.wants_json:
        _print_envelope(invocation.command, {}, [error])
    else:
        print_error(error, command=invocation.command)


def fail_usage(error: Exception, invocation: Invocation) -> None:
    """Print Click's own word on a command line that does not fit."""
    context = getattr(error, "ctx", None)
    if context:
        invocation.command = context.command_path.removeprefix("usagectl").strip()
    elif not invocation.command:  # Click forgets where an option lacks its value.
        invocation.command = next((word for word in invocation.arguments if word in MODULES), "")
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    sentence = _in_plain_words(" ".join(text.split()), getattr(error, "param", None))
    sentence = sentence if sentence.endswith((".", "?")) else f"{sentence}."
    fail(_misplaced(error, invocation) or UsageError(sentence), invocation)


def _in_plain_words(sentence: str, parameter: Any) -> str:  # noqa: ANN401  (Click's own)
    """Say which numbers fit, where Click speaks of an int range or of 1<=x<=9."""
    kind = getattr(getattr(parameter, "type", None), "name", "")
    if not kind.startswith(("int", "float")):
        return sentence
    least, most = (getattr(parameter.type, name, None) for name in ("min", "max"))
    wanted = "a whole number" if kind.startswith("int") else "a number"
    if least is not None:
        wanted += f" of at least {least}" if most is None else f" from {least} to {most}"
    return re.sub(r"is not (?:a valid|in the range) .*", f"is not {wanted}", sentence)


def _misplaced(error: Exception, invocation: Invocation) -> UsageError | None:
    """Put right what people type most: an option before its command, a word too many."""
    context = getattr(error, "ctx", None)
    if context is None:
        return None
    option = getattr(error, "option_name", None)
    if option is not None and context.parent is None:
        name = next((word for word in invocation.arguments if word in MODULES), "")
        command = context.command.get_command(context, name or "status")
        if option not in [text for each in command.params for text in each.opts]:
            return None
        invocation.command = name
        hint = f"usagectl {name or 'status'} {option}"
        return UsageError(f"{option} goes after the command: {hint}.", hint=hint)
    takes_words = any(each.param_type_name == "argument" for each in context.command.params)
    if "unexpected extra argument" in str(error) and not takes_words:
        sentence = f"{context.command_path} takes no name, but options alone."
        return UsageError(sentence, hint=f"{context.command_path} --help")
    return None


def fail_unwritable(error: OSError) -> int:
    """Say on stderr that stdout cannot be written (a full disk, say); return the exit status."""
    silence(sys.stdout)
    unwritable = OutputUnwritableError(reason=(error.strerror or "unknown").lower())
    print_error(unwritable)
    return unwritable.exit_status


def is_broken(stream: TextIO) -> bool:
    """Tell whether a stream still refuses what it was given."""
    try:
        stream.flush()
    except OSError:
        return True
    return False


def silence(stream: TextIO) -> None:
    """Lead a broken stream nowhere; Python would try it again at exit, and fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_error(error: UsagectlError, *, command: str = "") -> None:
    """Print an error and its next step on stderr."""
    print_notice(f"error: {error.message} [{error.code}]", hint=_next_step(error, command))


def _next_step(error: UsagectlError, command: str) -> str:
    """Give every failure a next step: its own, else the help of its command."""
    return error.hint or " ".join(("usagectl", *command.split(), "--help"))


def print_notice(text: str, *, hint: str = "") -> None:
    """Print a remark and its next step on stderr."""
    lines = [*_wrap(printable_line(text)), *([f"  try: {printable_line(hint)}"] if hint else [])]
    try:
        typer.echo("\n".join(lines), err=True)
    except OSError:  # A stderr that is full or gone changes nothing.
        silence(sys.stderr)


def _wrap(text: str) -> list[str]:
    """Wrap at words on a terminal; elsewhere a line stays one, to be searched."""
    if not sys.stderr.isatty():
        return [text]
    from shutil import get_terminal_size
    from textwrap import wrap

    width = get_terminal_size().columns
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


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
