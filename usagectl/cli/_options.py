"""Options and arguments that several commands share; those that choose events, as values."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usagectl.errors import InvalidValueError
from usagectl.events.record import parse_time
from usagectl.spool import STATES, Selection, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from usagectl.cli._commands import Invocation

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show machine IDs and tokens whole instead of masked.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")]
Tools = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TOOL",
        help="Which tools, such as next or localstack; usagectl status --all lists their names. "
        "Without a name, those that are found here.",
    ),
]

_SELECTING: Mapping[str, Any] = {
    "tool": Annotated[
        list[str] | None,
        typer.Option("--tool", metavar="TOOL", help="Only events of this tool; can be repeated."),
    ],
    "event": Annotated[
        list[str] | None,
        typer.Option("--event", metavar="WORD", help="Only events of this name; can be repeated."),
    ],
    "since": Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only events recorded since then: a date, a date and time (UTC without a zone), "
            "or so long ago: 90s, 30m, 2h, 7d, 1w.",
        ),
    ],
    "until": Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only events recorded before then; as --since."),
    ],
}
"""The options that choose events, in the order of the help."""

States = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Events of this state: waiting, sent or rejected; can be repeated.",
    ),
]
Sent = Annotated[bool, typer.Option("--sent", help="Those that were sent: --state sent.")]
Rejected = Annotated[
    bool, typer.Option("--rejected", help="Those that were refused: --state rejected.")
]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = r"([0-9]{1,9})([smhdw])"


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Put the options that choose events in the place of a command's parameter `selection`."""

    @wraps(command)
    def run(ctx: typer.Context, **values: Any) -> Any:  # noqa: ANN401
        invocation: Invocation = ctx.obj
        now = invocation.environment.now()
        tools, events, *bounds = (values.pop(name) for name in _SELECTING)
        since, until = (None if each is None else parse_when(each, now=now) for each in bounds)
        chosen = Selection(tuple(tools or ()), tuple(events or ()), since=since, until=until)
        return command(ctx, selection=chosen, **values)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        options = _SELECTING if parameter.name == "selection" else {}
        parameters += [
            parameter.replace(name=name, annotation=annotation, default=None)
            for name, annotation in options.items()
        ] or [parameter]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def parse_when(text: str, *, now: datetime) -> datetime:
    """Read an instant: ISO 8601, in UTC where it has no zone, or a time span back from now.

    Raises:
        InvalidValueError: it is neither.
    """
    found = None
    with suppress(OverflowError):
        if ago := re.fullmatch(_AGO, text.strip()):
            return now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        found = parse_time(text.strip())
    if found is None:
        wanted = "use 2026-11-23, 2026-11-23T09:30, or 90s, 30m, 2h, 7d, 1w for so long ago"
        raise InvalidValueError("instant", text, wanted=wanted)
    return found


def parse_states(
    chosen: Sequence[str] | None,
    *,
    sent: bool = False,
    rejected: bool = False,
    default: Sequence[State] = ("pending",),
) -> tuple[State, ...]:
    """Turn what was typed into states, each once, in the order of an event's life.

    What waits is `pending` in JSON; that word is taken as well.

    Raises:
        InvalidValueError: a state is unknown.
    """
    named = [*(chosen or ()), *["sent"] * sent, *["rejected"] * rejected]
    for name in named:
        if name not in (*STATES, "waiting"):
            raise InvalidValueError("state", name, wanted="use waiting, sent, rejected")
    found = ["pending" if name == "waiting" else name for name in named]
    return tuple(state for state in STATES if state in found) or tuple(default)
