"""The page that `usagectl status` shows: who sends, who does not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl import catalogue
from usagectl.cli import _output
from usagectl.cli._expectations import way_off
from usagectl.consent import describe
from usagectl.sensitive import mask_url_credentials, redact
from usagectl.settings import OWN_NAME
from usagectl.tools import names as names_of_tools
from usagectl.tools import places
from usagectl.tools.base import Caution, exists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.cli._render import Page
    from usagectl.consent import Consent
    from usagectl.identity import MachineId
    from usagectl.machine.environment import Environment
    from usagectl.spool import SpoolState
    from usagectl.status import Report
    from usagectl.tools.base import IdentityFile

_GROUPS = {
    "on": "Sends",
    "unknown": "May send: this machine does not tell",
    "local": "Records on this machine only",
    "off": "Quiet",
    "asks": "Asks first: sends nothing until you say yes",
    "absent": "Not found on this machine",
}
"""By state, loudest first: the heading of the tools in it."""

_ONE_LINE = 110
"""Columns from which a tool and what it sends stand in one line."""

_OF_THE_TOOL = ("What it sends", "Machine IDs", "What no switch covers", "Of note")
"""Sections of a tool's page that status by name shows; `explain` has the others."""

_TOLD_ONCE = {
    "do-not-track-ignored": "DO_NOT_TRACK is set, and not read: each has an opt-out of its own.",
    "policy-not-obeyed": "This machine's policy wants them off, and they do not read it: each has "
    "an opt-out of its own.",
}
"""By code: what is said of several tools at once."""

_MOST_WARNINGS = 10
"""As many warnings a person reads who asked for no tool; the rest are shown by name."""


def show(environment: Environment, found: Report, names: Sequence[str], *, reveal: bool) -> None:
    """Draw the whole answer."""
    page = _output.new_page()
    page.line(_headline(found.consents, names), style="bold")
    for state, heading in _GROUPS.items():
        if parts := [part for part in found.consents if part.state == state]:
            page.heading(heading)
            _show_rows(page, parts)
    _show_cautions(page, found.consents, is_brief=not names)
    for name in names:
        _show_tool(page, environment, found, name)
    page.heading("On this machine")
    page.rows(_facts(found, names, reveal=reveal))
    page.next_step(_next_step(found.consents, names, environment.system))


def _headline(consents: Sequence[Consent], names: Sequence[str]) -> str:
    loud = [part for part in consents if part.counts and part.telemetry == "on"]
    unsure = [part for part in consents if part.counts and part.telemetry == "unknown"]
    if names:
        return _headline_of_named(consents, loud, unsure)
    others = {part.tool for part in consents if part.counts and part.tool != OWN_NAME}
    if loud:
        senders = _tools_of(loud)
        verb = "sends" if len(senders) == 1 else "send"
        return f"{_share(len(senders), others, loud)} found here {verb}: {', '.join(senders)}."
    if unsure:
        return f"Nothing found here is known to send; of {_listed(unsure)} it cannot be told."
    local = [part for part in consents if part.counts and part.telemetry == "local"]
    if not others:
        own = f" {OWN_NAME} records its own commands on this machine only." if local else ""
        return f"Nothing here sends: no tool that does was found. There is nothing to do.{own}"
    kept = f" On this machine only, events are recorded by: {_listed(local)}." if local else ""
    return f"Nothing here sends: {_all_of(others)} quiet.{kept or ' There is nothing to do.'}"


def _headline_of_named(
    consents: Sequence[Consent], loud: Sequence[Consent], unsure: Sequence[Consent]
) -> str:
    names = ", ".join(part.name for part in loud)
    if any(part.installation.is_found for part in loud):
        return f"Telemetry is ON: {names}."
    if loud:
        return f"Telemetry would be ON: {names} (not found on this machine)."
    if unsure:
        return f"It cannot be told whether it sends: {_listed(unsure)}."
    local = [part for part in consents if part.counts and part.telemetry == "local"]
    if local:
        return f"Nothing is sent. On this machine only, events are recorded by: {_listed(local)}."
    if asking := [part for part in consents if part.state == "asks"]:
        return f"Nothing is sent until you say yes: {_listed(asking)}."
    return "Telemetry is off."


def _share(count: int, others: set[str], loud: Sequence[Consent]) -> str:
    total = len(others | {part.tool for part in loud})
    return f"{count} of {total} tools" if total > 1 else "The one tool"


def _all_of(tools: set[str]) -> str:
    return "the one tool found is" if len(tools) == 1 else f"all {len(tools)} tools found are"


def _listed(parts: Sequence[Consent]) -> str:
    return ", ".join(part.name for part in parts)


def _tools_of(parts: Sequence[Consent]) -> list[str]:
    return list(dict.fromkeys(part.tool for part in parts))


def _show_rows(page: Page, parts: Sequence[Consent]) -> None:
    """Draw a row a tool; where the window is narrow, what it sends stands below the row."""
    style = _output.STYLES[parts[0].state]
    if page.width >= _ONE_LINE:
        page.rows([(*_row(part), _what(part)) for part in parts], styles=[style] * len(parts))
        return
    for part in parts:
        *cells, said = filter(None, _row(part))
        row = "  ".join((*cells, said))
        if 2 + len(row) <= page.width:
            page.indented(row, style)
        else:  # A long path below the row, not broken within it.
            page.indented("  ".join(cells), style)
            page.indented(said, style, by=6)
        page.indented(_what(part), "dim", by=6)


def _row(part: Consent) -> tuple[str, str, str, str]:
    said = _decider(part)
    if not part.counts:
        return (part.name, "-", "", "")
    return (part.name, part.telemetry, part.installation.version or _trace(part), said)


def _decider(part: Consent) -> str:
    """Name the switch that decided; where none did, one that is set and means nothing to it."""
    is_default = part.decided_by.source == "default"
    ignored = [each for each in part.considered if each.says is None and each.value is not None]
    told = next((each for each in ignored if each.source in ("environment", "file")), None)
    return f"{describe(told)} is ignored" if is_default and told else describe(part.decided_by)


def _trace(part: Consent) -> str:
    """Say what shows that a tool without a program here was used here; nothing of one with."""
    if part.installation.installed:
        return ""
    trace = part.installation.trace
    return f"used here: {trace}" if trace else "not found"


def _what(part: Consent) -> str:
    return f"{part.summary} ({part.evidence})" if part.evidence else part.summary


def _cautions(consents: Sequence[Consent]) -> list[tuple[str, Caution]]:
    """List the warnings; what holds for several tools alike is said once."""
    said = [(part.name, each) for part in consents if part.counts for each in part.cautions]
    for code, message in _TOLD_ONCE.items():
        alike = [name for name, each in said if each.code == code]
        if len({each for _, each in said if each.code == code}) > 1:
            shared = Caution(code, message, 'eval "$(usagectl env)"')
            others = [pair for pair in said if pair[1].code != code]
            said = [*others, (", ".join(dict.fromkeys(alike)), shared)]
    return said


def _show_cautions(page: Page, consents: Sequence[Consent], *, is_brief: bool) -> None:
    """Draw the warnings; where no tool was named the gravest alone, and which tools have more."""
    found = sorted(_cautions(consents), key=lambda pair: pair[1].level != "error")
    shown = found[:_MOST_WARNINGS] if is_brief else found
    page.cautions(shown)
    left = dict.fromkeys(name for name, _ in found[len(shown) :])
    if left:
        way_on = f": usagectl status {next(iter(left))} shows those of one tool ({', '.join(left)})"
        page.more(len(found) - len(shown), way_on)


def _show_tool(page: Page, environment: Environment, found: Report, name: str) -> None:
    """Draw what is known of a tool that was asked for by name."""
    if name not in catalogue.names():
        return
    from usagectl.catalogue.page import sections  # of no use without a name

    part = next(each for each in found.consents if each.tool == name)
    entry, version = catalogue.entry(name), part.installation.version
    for section in sections(entry, version):
        if section.heading in _OF_THE_TOOL:
            page.section(*section)
    files = [(file, places.path_of(file, environment, version)) for file in entry.files]
    if rows := [
        (file.name, f"{path}{'' if exists(path) else ' (not there)'}")
        for file, path in files
        if path
    ]:
        page.heading("Its files here")
        page.rows(rows)


def _facts(found: Report, names: Sequence[str], *, reveal: bool) -> list[tuple[str, str]]:
    counted = {part.tool for part in found.consents if part.counts}
    rows = [
        (f"Machine ID ({_name_of(mid.place)})", _describe_id(mid, reveal=reveal))
        for mid in found.machine_ids
        if (mid.exists or mid.place.is_primary) and mid.place.tool in counted
    ]
    folder, source = found.cache_dir
    if any(
        mid.place.path.parent == folder and mid.place.tool in counted for mid in found.machine_ids
    ):
        rows.append(("Cache dir", f"{folder} ({source})"))
    shown = [part for part in found.consents if names and part.counts and part.endpoint]
    endpoints = {part.endpoint: part.name for part in reversed(shown)}
    for url, name in reversed(endpoints.items()):
        rows.append(("Endpoint", f"{url if reveal else mask_url_credentials(url)} ({name})"))
    rows += [("Privacy", f"{part.privacy} ({part.name})") for part in shown if part.privacy]
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


def _next_step(consents: Sequence[Consent], names: Sequence[str], system: str) -> str:
    loud = [part for part in consents if part.counts and part.telemetry in ("on", "unknown")]
    if loud:
        return f"{way_off(loud, names)} switches off what it can; {_more_on(loud[0].tool)}."
    if names:
        return f"{_more_on(names[0])}."
    if not any(part.counts and part.tool != OWN_NAME for part in consents):
        way = "--sealed" if system == "Linux" else "--proxy"
        return (
            "usagectl status --all lists each tool that is known; "
            f"usagectl capture {way} -- CMD shows what any command tries to send."
        )
    return "usagectl preview --if-enabled shows what would be sent if it were on."


def _more_on(tool: str) -> str:
    """Name the command that tells more of a tool; a program that records through us has no page."""
    if tool in catalogue.names():
        return f"usagectl explain {tool} has the evidence"
    return f"usagectl preview {tool} shows what it records"
