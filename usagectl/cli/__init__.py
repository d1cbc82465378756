"""The command line: the only layer that prints, prompts and exits.

A module a command, imported only when that command is run or the whole help is
asked for. `main` turns every outcome into an exit status.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import typer

from usagectl.cli import _output
from usagectl.cli._commands import MODULES, CommandGroup, Invocation
from usagectl.emitting import command_lines
from usagectl.emitting.instrumentation import watch
from usagectl.errors import UsagectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.machine.environment import Environment

INTERRUPTED = 130
_BROKEN_PIPE = 141

_STREAM_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What stdout raises when it takes nothing more; our own files raise our own errors."""

_CLICK_USAGE_ERROR: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]
"""Click's error of bad usage: Typer does not export it, but a child of it."""

_NUMBERS = {
    **dict.fromkeys(("NUMBER", "INT"), "a whole number"),
    **dict.fromkeys(("SECONDS", "FLOAT"), "a number"),
}
"""What is meant by the words that options show for numbers."""

app = typer.Typer(
    name="usagectl",
    cls=CommandGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (Typer calls it so)
    if wanted:
        from usagectl._version import __version__

        typer.echo(f"usagectl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: bool = typer.Option(
        False,  # noqa: FBT003
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
) -> None:
    """See, control and prove the usage telemetry of the tools on this machine.

    Start with `usagectl status`. Every command that answers takes --json,
    every command that writes takes --dry-run. Nothing is ever sent unless you
    say so.
    """


def main(arguments: Sequence[str], environment: Environment | None = None) -> int:
    """Run one command line and return its exit status; only bugs are raised."""
    _prepare_streams()
    invocation = Invocation(arguments, environment)
    try:
        status = _run_command(invocation)
        sys.stdout.flush()
    except BrokenPipeError:
        _output.silence(sys.stdout)  # The reader has gone (`| head`): say nothing.
        status = _BROKEN_PIPE
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _output.silence(sys.stdout)  # Typer would exit with 1: that means findings.
        status = _BROKEN_PIPE
    except OSError as error:
        if error.errno not in _STREAM_FULL and not _output.is_broken(sys.stdout):
            raise
        status = _output.fail_unwritable(error)
    is_read = sys.stderr.isatty() and not invocation.wants_json
    invocation.recording.record(_output.print_remark if is_read else None)
    return status


def _run_command(invocation: Invocation) -> int:
    command = typer.main.get_command(app)
    watch(command, lambda: nullcontext(invocation.recording))
    try:
        result = command.main(
            args=list(invocation.arguments) or ["--help"],
            prog_name="usagectl",
            complete_var="",  # Completion is static text in the shell; no Tab starts Python.
            standalone_mode=False,
            obj=invocation,
        )
    except UsagectlError as error:
        _output.fail(error, invocation)
        return error.exit_status
    except typer.Abort:
        typer.echo("Aborted.", err=True)
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except _CLICK_USAGE_ERROR as error:
        _fail_usage(error, invocation)
        return UsageError.exit_status
    return result if isinstance(result, int) else 0


def _fail_usage(error: Exception, invocation: Invocation) -> None:
    """Print what Click says of a command line that does not fit, in our words."""
    context = getattr(error, "ctx", None)
    if context:
        invocation.name_command(context.command_path)
    elif not invocation.command:  # Click names no command where an option lacks its value.
        invocation.command = next((word for word in invocation.arguments if word in MODULES), "")
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    parameter = getattr(error, "param", None)
    sentence = " ".join(text.split()).replace("Value error, ", "")
    sentence = _about_number(parameter, invocation.arguments) or sentence
    sentence = sentence if sentence.endswith((".", "?")) else f"{sentence}."
    _output.fail(_misplaced(error, invocation) or UsageError(sentence), invocation)


def _about_number(parameter: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401  (Click's own)
    """Name the number that was typed and those that fit; each Typer has other words for it."""
    wanted = _NUMBERS.get(getattr(parameter, "metavar", None) or "")
    typed = _value_of(parameter, arguments) if wanted else None
    if wanted is None or typed is None:
        return ""
    least, most = command_lines.bounds_of(parameter)
    if least is not None:
        wanted += f" of at least {least}" if most is None else f" from {least} to {most}"
    return f"Invalid value for '{parameter.opts[0]}': {typed!r} is not {wanted}."


def _value_of(option: Any, arguments: Sequence[str]) -> str | None:  # noqa: ANN401  (Click's own)
    """Return what was typed as the value of an option, the last time."""
    found = None
    for word, following in zip(arguments, (*arguments[1:], None), strict=True):
        name, equals, value = word.partition("=")
        if name in option.opts:
            found = value if equals else following
    return found


def _misplaced(error: Exception, invocation: Invocation) -> UsageError | None:
    """Correct what people type most: an option before its command, a word too many."""
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


def _prepare_streams() -> None:
    """Lead closed streams nowhere, and escape characters that a stream cannot write."""
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_WRONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:  # `>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
