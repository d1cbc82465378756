"""`usagectl status`: the verdict on each tool, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._options import Reveal, Tools  # noqa: TC001  (Typer reads the annotations)
from usagectl.cli._output import as_data, describe_uncovered, part_data
from usagectl.consent import describe, way_off_of
from usagectl.errors import ExpectationFailedError
from usagectl.sensitive import mask_url_credentials, redact
from usagectl.settings import OWN_NAME
from usagectl.status import collect, offending
from usagectl.tools import names as names_of_tools
from usagectl.tools import not_covered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.consent import Consent
    from usagectl.identity import MachineId
    from usagectl.spool import SpoolState
    from usagectl.status import Report
    from usagectl.tools.base import IdentityFile

app = new_app()
apps = {"status": app}


@app.command(cls=AnsweringCommand)
def status(
    ctx: typer.Context,
    names: Tools = None,
    *,
    expect: Annotated[
        Literal["off", "local"] | None,
        typer.Option(
            metavar="[off|local]",
            help="Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.",
        ),
    ] = None,
    reveal: Reveal = False,
) -> _output.Answer:
    """Show for each tool whether its telemetry is on, and which switch decided.

    The verdict on a tool is what that tool would do: its own switches are
    read with its own rules. Nothing is run or sent for it, and no file of a tool written;
    that the command was used is recorded on this machine, as of any other, unless
    usagectl's own telemetry is off. A tool that is not found on this machine is judged
    only by name: usagectl status localstack.

    Machine IDs are masked, so that the output can go into a bug report.
    """
    invocation: Invocation = ctx.obj
    found = collect(invocation.environment, names or ())
    return _output.Answer(
        lambda: _data(found, reveal=reveal),
        lambda: _show(found, reveal=reveal),
        _failures(found, expect, names or ()),
    )


def _failures(
    found: Report, expect: Literal["off", "local"] | None, names: Sequence[str]
) -> list[ExpectationFailedError]:
    loud = offending(found.consents, expect, names) if expect else ()
    if not loud:
        return []
    names = [f"{part.name} is {part.telemetry}" for part in loud]
    wanted = "off" if expect == "off" else "off or local"
    return [ExpectationFailedError(wanted, offending=names, hint=_way_off(loud))]


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
    shown = {part.tool for part in found.consents}
    return [describe_uncovered(each) for name, each in not_covered() if name in shown]


def _show(found: Report, *, reveal: bool) -> None:
    page = _output.new_page()
    page.line(_headline(found.consents), style="bold")
    page.line()
    rows = [_row(part) for part in found.consents]
    page.rows(rows, styles=[_output.STYLES[part.state] for part in found.consents])
    shown = [part for part in found.consents if part.counts]
    page.cautions([(part.name, caution) for part in shown for caution in part.cautions])
    page.heading("On this machine")
    page.rows(_facts(found, reveal=reveal))
    if uncovered := _not_covered(found):
        page.heading("No opt-out covers")
        page.bullets(uncovered)
    page.next_step(_next_step(found.consents))


def _headline(consents: tuple[Consent, ...]) -> str:
    loud = [part for part in consents if part.counts and part.telemetry == "on"]
    names = ", ".join(part.name for part in loud)
    if any(part.installation.installed for part in loud):
        return f"Telemetry is ON: {names}."
    if loud:
        return f"Telemetry would be ON: {names} (not found on this machine)."
    local = [part.name for part in consents if part.counts and part.telemetry == "local"]
    if all(part.tool == OWN_NAME for part in consents if part.counts):
        own = f" {OWN_NAME} records its own commands on this machine only." if local else ""
        return f"Nothing here sends: no tool that does was found on this machine.{own}"
    if local == [OWN_NAME]:
        return "Nothing is sent. usagectl records its own commands on this machine only."
    if local:
        return f"Nothing is sent. On this machine only, events are recorded by: {', '.join(local)}."
    return "Telemetry is off, everywhere."


def _row(part: Consent) -> tuple[str, str, str, str]:
    if not part.counts:
        return (part.name, "-", "", "not found on this machine")
    version = part.installation.version or ("" if part.installation.installed else "not found")
    return (part.name, part.telemetry, version, describe(part.decided_by))


def _facts(found: Report, *, reveal: bool) -> list[tuple[str, str]]:
    rows = [
        (f"Machine ID ({_name_of(mid.place)})", _describe_id(mid, reveal=reveal))
        for mid in found.machine_ids
        if mid.exists or mid.place.is_primary
    ]
    folder, source = found.cache_dir
    rows.append(("Cache dir", f"{folder} ({source})"))
    shown = [part for part in found.consents if part.counts and part.endpoint]
    endpoints = {part.endpoint: part.name for part in reversed(shown)}
    for url, name in reversed(endpoints.items()):
        rows.append(("Endpoint", f"{url if reveal else mask_url_credentials(url)} ({name})"))
    rows.append(("Spool", _describe_spool(found.spool)))
    rows.append(("CI", _yes_or_no(found.is_ci)))
    rows.append(("Container", _yes_or_no(found.is_docker)))
    rows.append(("System", found.system))
    return rows


def _name_of(place: IdentityFile) -> str:
    return f"{place.tool} {place.part}" if place.tool in names_of_tools() else place.tool


def _describe_spool(found: SpoolState) -> str:
    if found.problem:
        return found.problem
    counts = [f"{found.pending} waiting"]
    counts += [f"{found.sent} sent"] if found.sent else []
    counts += [f"{found.rejected} rejected"] if found.rejected else []
    counts += [f"{found.losses.total} lost"] if found.losses.total else []
    return f"{', '.join(counts)}, {found.bytes} bytes, {found.path}"


def _describe_id(found: MachineId, *, reveal: bool) -> str:
    if found.problem:
        return found.problem
    if not found.exists:
        return f"none yet, {found.place.path}"
    value = found.value if reveal else redact(found.value)
    return f"{value} ({found.kind}) in {found.place.path}"


def _yes_or_no(value: bool) -> str:  # noqa: FBT001
    return "yes" if value else "no"


def _next_step(consents: tuple[Consent, ...]) -> str:
    loud = [part for part in consents if part.counts and part.telemetry == "on"]
    if not loud:
        return "usagectl preview --if-enabled shows what would be sent if it were on."
    return f"{_way_off(loud)} switches it off; usagectl preview shows what would be sent."


def _way_off(loud: Sequence[Consent]) -> str:
    """Name the command that helps: one that writes files, or where none can, one for the shell."""
    by_flags = [way for part in loud if (way := way_off_of(part))]
    if by_flags and len(by_flags) == len(loud):
        return by_flags[0]
    if all(part.is_out_of_reach for part in loud):
        return 'eval "$(usagectl env)"'
    return "usagectl disable"
