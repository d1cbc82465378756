"""Own the command line: the only layer that prints, prompts and exits.

One module a command group; each is imported only when its command is run or
the whole help is asked for. `main` turns every outcome into an exit status.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import typer

from usagectl.cli import _output
from usagectl.cli._commands import CommandGroup, Invocation
from usagectl.emitting.instrumentation import watch
from usagectl.errors import UsagectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.machine.environment import Environment

INTERRUPTED = 130
_BROKEN_PIPE = 141

_STREAM_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What stdout raises when it takes nothing more; files of ours raise errors of ours."""

_CLICK_USAGE_ERROR: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]
"""Typer keeps Click to itself: this parent of a public error is what bad usage raises."""

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
    """Run one command line and return its exit status; raises nothing but bugs."""
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
        _output.silence(sys.stdout)  # Typer makes an exit with 1 of it: that would mean findings.
        status = _BROKEN_PIPE
    except OSError as error:
        if error.errno not in _STREAM_FULL and not _output.is_broken(sys.stdout):
            raise
        status = _output.fail_unwritable(error)
    is_read = sys.stderr.isatty() and not invocation.wants_json
    invocation.recording.record(_output.print_notice if is_read else None)
    return status


def _run_command(invocation: Invocation) -> int:
    command = typer.main.get_command(app)
    watch(command, invocation.recording)
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
        _output.fail_usage(error, invocation)
        return UsageError.exit_status
    return result if isinstance(result, int) else 0


def _prepare_streams() -> None:
    """Let no stream fail us: one that is closed leads nowhere, odd characters are escaped."""
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
