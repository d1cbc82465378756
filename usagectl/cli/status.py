"""`usagectl status`: the verdict on each tool, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl import catalogue
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._options import Reveal, Tools  # noqa: TC001  (Typer reads the annotations)
from usagectl.showing import as_data, part_data
from usagectl.status import collect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.errors import UsagectlError
    from usagectl.status import Report

app = new_app()
apps = {"status": app}


@app.command(cls=AnsweringCommand)
def status(
    ctx: typer.Context,
    names: Tools = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Each tool that is known, also those that are not here.")
    ] = False,
    expect: Annotated[
        Literal["off", "local"] | None,
        typer.Option(
            metavar="[off|local]",
            help="Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.",
        ),
    ] = None,
    reveal: Reveal = False,
) -> _output.Answer:
    """Show which of the tools on this machine send telemetry, and which switch decided.

    The verdict on a tool is what that tool would do: its own switches are
    read with its own rules. Nothing is run or sent for it, and no file of a tool written;
    that the command was used is recorded on this machine, as of any other, unless
    usagectl's own telemetry is off. Tools are found by their commands and packages, and by
    the files that earlier use left; one that is not here is judged only by name, with all
    that is known of it: usagectl status localstack.

    What each sends is followed by how that is known, and of which release: `wire` where it
    was run and its requests counted, `source` where its code was read, `docs` where only its
    maker says so.

    Machine IDs are masked, so that the output can go into a bug report.
    """
    invocation: Invocation = ctx.obj
    found = collect(invocation.environment, names or (), everything=everything)

    def show() -> None:
        from usagectl.cli import _status_page  # of no use to a program

        _status_page.show(invocation.environment, found, names or (), reveal=reveal)

    return _output.Answer(
        lambda: _data(found, reveal=reveal), show, _failures(found, expect, names)
    )


def _failures(
    found: Report, expect: Literal["off", "local"] | None, names: Sequence[str] | None
) -> Sequence[UsagectlError]:
    if expect is None:
        return ()
    from usagectl.cli._expectations import failures  # few expect something

    return failures(found, expect, names or ())


def _data(found: Report, *, reveal: bool) -> dict[str, object]:
    folder, source = found.cache_dir
    return {
        "tools": [part_data(part, found.machine_ids, reveal=reveal) for part in found.consents],
        "cache_dir": as_data({"path": folder, "source": source}),
        "environment": {each: getattr(found, each) for each in ("is_ci", "is_docker", "system")},
        "spool": as_data(found.spool),
        "not_covered": _not_covered(found),
    }


def _not_covered(found: Report) -> list[str]:
    """Say of the tools in the answer what no opt-out of theirs reaches."""
    shown = dict.fromkeys(part.tool for part in found.consents)
    entries = [catalogue.entry(name) for name in shown if name in catalogue.names()]
    return [each.whole for entry in entries for each in entry.uncovered]
