"""Own how an audit looks: its findings for a person, for a machine, and its progress."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from usagectl.audit import LEVELS, RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from usagectl.audit import AuditResult, Finding
    from usagectl.cli._render import Page

_SHOWN = 50
_STYLES = {"error": "red", "warning": "yellow", "note": ""}


class View(NamedTuple):
    """Hold what is shown of an audit.

    Attributes:
        result: its outcome.
        source: the file as it was typed, `-`, or empty for the spool.
        fail_on: from which level on it fails.
        is_dry_run: whether that was only a question.
        written: how many findings went into a baseline, None when none was written.
    """

    result: AuditResult
    source: str
    fail_on: str
    written: int | None = None
    is_dry_run: bool = False


def data(view: View) -> dict[str, object]:
    """Give an audit its public JSON form."""
    result = view.result
    return {
        "source": view.source or "spool",
        "events": result.events,
        "by_name": dict(result.by_name),
        "findings": [finding_data(finding) for finding in result.findings],
        "totals": _totals(result),
        "bad_lines": result.bad_lines,
        "first_bad_line": result.first_bad_line,
        "fail_on": view.fail_on,
        "baseline_written": view.written,
        "dry_run": view.is_dry_run,
    }


def finding_data(finding: Finding) -> dict[str, object]:
    """Give a finding its public JSON form."""
    return {
        **{each.name: getattr(finding, each.name) for each in fields(finding)},
        "known": finding.known._asdict() if finding.known else None,
        "suppressed": finding.suppressed._asdict() if finding.suppressed else None,
        "fingerprint": finding.fingerprint,
    }


def _totals(result: AuditResult) -> dict[str, int]:
    counting = [finding for finding in result.findings if finding.suppressed is None]
    totals: dict[str, int] = {
        level: sum(each.level == level for each in counting) for level in LEVELS
    }
    return {**totals, "suppressed": len(result.findings) - len(counting)}


def show(view: View) -> None:
    """Draw an audit: the answer first, then a table, then each rule in words."""
    from usagectl.cli._render import Page

    page, result = Page(), view.result
    page.line(_headline(result), style="bold")
    counting = [finding for finding in result.findings if finding.suppressed is None]
    _show_table(page, "Findings", counting)
    _show_details(page, counting)
    _show_suppressed(page, [each for each in result.findings if each.suppressed is not None])
    page.line()
    page.line(f"Next: {_next_step(view, counting)}")


def _headline(result: AuditResult) -> str:
    totals = _totals(result)
    events = "1 event" if result.events == 1 else f"{result.events} events"
    verb = "does" if totals["suppressed"] == 1 else "do"
    hidden = f" {totals['suppressed']} more {verb} not count." if totals["suppressed"] else ""
    amount = sum(totals[level] for level in LEVELS)
    if not amount:
        return f"No findings in {events}.{hidden}"
    parts = [
        f"{totals[level]} {level}{'' if totals[level] == 1 else 's'}"
        for level in LEVELS
        if totals[level]
    ]
    what = "1 finding" if amount == 1 else f"{amount} findings"
    return f"{what} in {events}: {', '.join(parts)}.{hidden}"


def _show_table(page: Page, heading: str, findings: list[Finding]) -> None:
    if not findings:
        return
    page.heading(heading)
    shown = findings[:_SHOWN]
    rows = [("level", "rule", "count", "where", "example")]
    rows += [
        (each.level, f"{each.rule} {each.name}", str(each.count), each.place, each.example)
        for each in shown
    ]
    page.rows(rows, styles=["bold", *(_STYLES[each.level] for each in shown)])
    if len(findings) > len(shown):
        page.line(f"  and {len(findings) - len(shown)} more; --json lists all.")


def _show_details(page: Page, findings: list[Finding]) -> None:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings[:_SHOWN]:
        groups.setdefault((each.rule, each.message, each.sentence), []).append(each)
    for (rule, message, sentence), members in groups.items():
        first = members[0]
        page.heading(f"{rule} {first.name}")
        page.indented(message)
        rows = [("where", ", ".join(dict.fromkeys(each.place for each in members)))]
        if sentence:
            rows.append(("notice", f'"{sentence}"'))
        if first.known is not None:
            rows.append(("since", first.since or "all versions read"))
        rows.append(("do", first.advice))
        page.rows(rows)


def _show_suppressed(page: Page, findings: list[Finding]) -> None:
    if not findings:
        return
    page.heading("These do not count")
    rows = []
    for each in findings[:_SHOWN]:
        reason = each.suppressed.reason if each.suppressed else ""
        rows.append((each.level, f"{each.rule} {each.name}", str(each.count), each.place, reason))
    page.rows(rows)
    if len(findings) > _SHOWN:
        page.line(f"  and {len(findings) - _SHOWN} more; --json lists all.")


def _next_step(view: View, counting: list[Finding]) -> str:
    if view.written is not None:
        what = "1 finding" if view.written == 1 else f"{view.written} findings"
        verb = "would be written" if view.is_dry_run else "written"
        return f"{what} {verb}; usagectl audit --baseline FILE fails on what is new."
    if counting:
        return (
            "usagectl audit --list-rules says what each rule means; usagectl disable stops events."
        )
    if not view.result.events:
        return "usagectl spool says what was recorded and sent so far."
    return "usagectl explain says what the notice allows."


def rules_data() -> dict[str, object]:
    """Give the rules their public JSON form."""
    return {
        "rules": [
            {
                "id": rule.id,
                "name": rule.name,
                "level": rule.level,
                "title": rule.title,
                "explanation": rule.explanation,
                "known": list(rule.known),
                "advice": rule.advice,
            }
            for rule in RULES
        ]
    }


def show_rules() -> None:
    """Draw the rules."""
    from usagectl.cli._render import Page

    page = Page()
    page.line(f"{len(RULES)} rules. A finding that a known departure explains is a warning.")
    page.line()
    page.rows(
        [(rule.id, rule.name, rule.level, f"{rule.title} {rule.explanation}") for rule in RULES]
    )
    page.line()
    page.line("Next: usagectl audit FILE --rule RULE looks for one of them alone.")


def print_sarif(result: AuditResult, *, source: str) -> None:
    """Print the findings as SARIF on stdout."""
    import typer

    from usagectl._version import __version__
    from usagectl.audit import sarif

    log = sarif.build(result, source=source, version=__version__)
    typer.echo(json.dumps(log, indent=2 if sys.stdout.isatty() else None))


@contextmanager
def opened(name: str, path: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open what is audited; its size where that is known."""
    if name == "-":
        yield sys.stdin.buffer, None
        return
    with path.open("rb") as stream:
        yield stream, path.stat().st_size or None


@contextmanager
def meter(size: int | None) -> Iterator[Callable[[int, int], None] | None]:
    """Show progress on stderr where that is a terminal; nothing elsewhere.

    How many events there will be is reckoned from the bytes that were read.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from usagectl.cli._render import BarMeter

    with BarMeter("Auditing") as bar:

        def show_progress(events: int, read: int) -> None:
            bar.show(events, max(events, events * size // read) if size and read else None)

        yield show_progress
