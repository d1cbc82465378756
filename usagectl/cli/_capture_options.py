"""Options of `capture` as one value, and what does not go together among them."""

from __future__ import annotations

import inspect
import ipaddress
import os
import re
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_type_hints

import typer

from usagectl.errors import InvalidValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from usagectl.cli._capture_hosts import Mode

LOOPBACK = "127.0.0.1"
MOST_GRACE = 600
_HOST = re.compile(r"(?i)[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|[0-9a-f:.]+")
_SEALED = "usagectl capture --sealed -- CMD"


class Chosen(NamedTuple):
    """What was chosen for a capture; each member is an option of the command."""

    sealed: Annotated[
        bool,
        typer.Option(
            "--sealed",
            help="Run CMD with no network but a recorder, which sees whatever it tries (Linux).",
        ),
    ] = False
    proxy: Annotated[
        bool,
        typer.Option(
            "--proxy",
            help="Lead CMD to the recorder as to a proxy; hosts of known telemetry are answered "
            "here, others are passed on.",
        ),
    ] = False
    offline: Annotated[
        bool, typer.Option("--offline", help="With --proxy: pass nothing on, answer all here.")
    ] = False
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--own",
            metavar="HOST",
            help="A host that CMD is for, sub-domains too: a package index, its own API. "
            "Can be repeated.",
        ),
    ] = None
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="HOST", help="Refused: nothing leaves a sealed run; see --own."
        ),
    ] = None
    expect: Annotated[
        Literal["none", "notice", "silence"] | None,
        typer.Option(
            metavar="[none|notice|silence]",
            help="Exit with 1: `none` if anything arrives, with --sealed or --proxy at a host "
            "that may be telemetry's; `notice` if what arrives breaks it; `silence` if CMD tries "
            "anything at all, a look-up too (--sealed).",
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Keep what arrives in this file, for audit, spool and replay.",
        ),
    ] = None
    summary: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write the answer as one JSON object to this file, beside CMD."
        ),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False
    as_if_enabled: Annotated[
        bool,
        typer.Option(
            "--as-if-enabled",
            help="Lift the opt-outs of the tools that are caught, to see what CMD hides.",
        ),
    ] = False
    answer: Annotated[
        Literal["on", "off", "error", "hang", "refuse", "slow"],
        typer.Option(
            metavar="[on|off|error|hang|refuse|slow]",
            help="How the endpoint behaves: track_events true or false, status 500, no answer, "
            "nothing listening, an answer after two seconds.",
        ),
    ] = "on"
    bind: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Listen on this address, so that containers reach the endpoint.",
        ),
    ] = LOOPBACK
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="NUMBER", help="Listen on this port; 0 takes a free one."
        ),
    ] = 0
    grace: Annotated[
        float,
        typer.Option(
            min=0,
            max=MOST_GRACE,
            metavar="SECONDS",
            help="Time to wait at most for what CMD leaves running behind it.",
        ),
    ] = 10.0
    live: Annotated[
        bool,
        typer.Option("--live", help="Show each request, and each look-up, on stderr as it comes."),
    ] = False
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Keep tokens, home paths and all headers in clear.")
    ] = False

    @property
    def mode(self) -> Mode:
        """The way of the capture."""
        return "sealed" if self.sealed else "proxy" if self.proxy else "redirect"

    @property
    def address(self) -> str:
        """The address to listen on."""
        return LOOPBACK if self.bind == "localhost" else self.bind


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Put an option for each member of `Chosen` in the place of a command's parameter `chosen`."""

    @wraps(command)
    def run(**values: Any) -> Any:  # noqa: ANN401
        options = Chosen(**{name: values.pop(name) for name in Chosen._fields})
        return command(**values, chosen=options)

    hints = get_type_hints(Chosen, include_extras=True)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[name],
            default=Chosen._field_defaults[name],
        )
        for name in Chosen._fields
    ]
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [*(each for each in own if each.name != "chosen"), *options]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def check(chosen: Chosen, *, has_command: bool, cwd: Path) -> None:
    """Refuse options that do not go together, and files that are none.

    Raises:
        UsageError: two options, or an option and a name, do not fit.
        InvalidValueError: a value is none that the option takes.
    """
    for reason in _misfits(chosen, has_command=has_command):
        raise UsageError(reason, hint=_SEALED)
    for host in chosen.own or ():
        if not _HOST.fullmatch(host):
            wanted = "use a host's name, such as pypi.org"
            raise InvalidValueError("--own", host, wanted=wanted, hint=_SEALED)
    _check_address(chosen)
    _check_files(chosen, cwd=cwd)


def _misfits(chosen: Chosen, *, has_command: bool) -> Iterator[str]:
    """Yield why the ways of a capture and their options do not go together."""
    if chosen.allow:
        yield (
            "Nothing leaves a sealed run, so no host can be allowed; --own HOST names what CMD "
            "is for, and --proxy passes on what is no telemetry."
        )
    if chosen.sealed and chosen.proxy:
        yield "--sealed and --proxy are two ways of a capture; give one of them."
    if chosen.sealed and not has_command:
        yield "--sealed needs a command: a program that runs already cannot be sealed."
    if chosen.sealed and (chosen.bind != LOOPBACK or chosen.port):
        yield "--sealed listens nowhere on this machine, so it takes neither --bind nor --port."
    if chosen.offline and not chosen.proxy:
        yield "--offline goes with --proxy; a sealed run is offline by itself."
    if chosen.own and chosen.mode == "redirect":
        yield "--own goes with --sealed or --proxy: without them other hosts are not seen."
    if chosen.expect == "silence" and not chosen.sealed:
        yield "--expect silence goes with --sealed: only a sealed run sees every look-up."


def _check_address(chosen: Chosen) -> None:
    """Refuse a host name for --bind: it may stand for another machine, and would be looked up."""
    if chosen.expect and chosen.answer == "refuse" and not chosen.sealed:
        raise UsageError("--answer refuse takes nothing in, so it can prove nothing.")
    try:
        ipaddress.ip_address(chosen.address)
    except ValueError:
        raise InvalidValueError(
            "--bind",
            chosen.bind,
            wanted="use an IP address of this machine",
            hint="usagectl capture",
        ) from None


def _check_files(chosen: Chosen, *, cwd: Path) -> None:
    """Refuse names that are no file's, and --force without a file to replace."""
    output, summary = chosen.output, chosen.summary
    if chosen.force and output is None and summary is None:
        raise UsageError("--force goes with --output FILE or --summary FILE.")
    for option, name in (("--output", output), ("--summary", summary)):
        if name in ("", "-"):
            sentence = f'{option} needs a file name; "-" and "" are not allowed.'
            raise UsageError(sentence, hint=f"usagectl capture {option} FILE -- CMD")
    if output is None or summary is None:
        return
    # However each is written: the one would replace the other.
    if os.path.realpath(cwd / output) == os.path.realpath(cwd / summary):
        raise UsageError("--output and --summary need a file each.")
