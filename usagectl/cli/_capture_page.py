"""Own how a capture looks: what arrives while it does, and the summary at its end."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Protocol

from usagectl.cli import _output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from usagectl.audit import AuditResult, Finding
    from usagectl.capture import Arrival, Session, Sums
    from usagectl.cli._render import Page
    from usagectl.errors import UsagectlError
    from usagectl.machine.environment import Environment

_SHOWN_FINDINGS = 10


class Outcome:
    """Hold what a capture gave, once it is over.

    Attributes:
        sums: what came in.
        found: what the audit says of it.
        status: the command's exit status, None without a command.
        kept: the capture file, None when it is gone.
        problem: why not everything could be written down.
    """

    def __init__(
        self, session: Session, found: AuditResult, *, status: int | None, kept: Path | None
    ) -> None:
        self.sums: Sums = session.sums
        self.variables = session.variables
        self.problem: UsagectlError | None = session.problem
        self.found = found
        self.status = status
        self.kept = kept
        self.is_deaf = session.is_deaf

    def hide(self, name: Callable[[str], str]) -> None:
        """Leave out the names that may not be shown."""
        by_name: Counter[str] = Counter()
        for each, count in self.sums.by_name.items():
            by_name[name(each)] += count
        self.sums = replace(self.sums, by_name=by_name)

    @property
    def unread(self) -> int:
        """Count what arrived and no rule has looked at."""
        return max(self.sums.events + self.sums.unparsed - self.found.events, 0)

    @property
    def loud(self) -> int:
        """Count the findings of the level error."""
        return sum(each.level == "error" for each in self.found.findings)


def names_shown(environment: Environment, is_revealed: bool) -> Callable[[str], str]:  # noqa: FBT001
    """Make what shows a name or a path as it may be shown."""
    from usagectl import audit

    if is_revealed:
        return str
    return audit.Auditor(audit.Context.from_environment(environment)).shown_name


def has_containers(environment: Environment) -> bool:
    """Tell whether a command could start a container here."""
    path = environment.variables.get("PATH", "")
    return any(shutil.which(name, path=path) for name in ("docker", "podman"))


def audit_file(environment: Environment, file: Path, command: Sequence[str]) -> AuditResult:
    """Hold what was captured against the notice."""
    from usagectl import audit
    from usagectl.machine.environment import with_account_home

    context = audit.Context.from_environment(with_account_home(environment), arguments=command)
    with file.open("rb") as stream:
        return audit.audit_stream(stream, context=context)


def outcome_data(outcome: Outcome) -> dict[str, object]:
    """Give a capture its public JSON form."""
    from usagectl import capture
    from usagectl.cli._data import as_data

    return {
        **capture.sums_data(outcome.sums),
        "status": outcome.status,
        "file": None if outcome.kept is None else str(outcome.kept),
        "variables": dict(outcome.variables),
        "findings": as_data(outcome.found.findings),
    }


def show_outcome(outcome: Outcome) -> None:
    """Draw the summary: what arrived first, then where it departs from the notice."""
    from usagectl.cli._render import Page

    page, sums = Page(), outcome.sums
    if outcome.is_deaf:
        page.line("Nothing listened, so nothing can be said of what was sent.", style="yellow")
    elif not sums.requests and not sums.refused:
        page.line("Nothing arrived here: no usage event was sent to it.", style="bold green")
    else:
        page.line(
            f"{_counted(sums.events, 'event')} in {_counted(sums.requests, 'request')}, "
            f"{sums.bytes} bytes. None left this machine.",
            style="bold",
        )
        page.rows([(name, str(count)) for name, count in sums.by_name.most_common()])
    if sums.unparsed:
        page.line(f"{_counted(sums.unparsed, 'request')} held no event that could be read.")
    if sums.refused:
        page.line(
            f"{_counted(sums.refused, 'request')} turned away: of a browser, for another host, "
            "or no HTTP.",
            style="yellow",
        )
    _show_findings(outcome.found.findings, page)
    if outcome.found.findings or (sums.requests and outcome.kept is None):
        page.line()
    if outcome.kept is not None and outcome.found.findings:
        page.line(f"Next: usagectl audit {quote(str(outcome.kept))} says more about each finding.")
    elif outcome.kept is None and sums.requests:
        page.line("Next: with --output FILE the events are kept for usagectl audit.")


def _show_findings(findings: Sequence[Finding], page: Page) -> None:
    if not findings:
        return
    page.heading(f"{_counted(len(findings), 'departure')} from the notice")
    rows = [
        (each.level, each.rule, each.place, each.message) for each in findings[:_SHOWN_FINDINGS]
    ]
    page.rows(rows)
    if len(findings) > len(rows):
        page.line(f"  and {len(findings) - len(rows)} more")


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


class Watch(Protocol):
    """Be what shows requests as they arrive."""

    def show(self, arrival: Arrival) -> None:
        """Show one; called in the server's thread."""


class _Silent:
    def show(self, arrival: Arrival) -> None:
        pass


class _Lines:
    """Write a line for each request, between what the command writes."""

    def show(self, arrival: Arrival) -> None:
        names = ", ".join(arrival.names[:5]) or arrival.problem
        at = time.strftime("%H:%M:%S")
        _output.print_notice(
            f"{at} {arrival.method} {arrival.path} {arrival.tool}: {names} ({arrival.bytes} bytes)"
        )


@contextmanager
def watch(*, is_wanted: bool, has_table: bool) -> Iterator[Watch]:
    """Show requests on stderr as they arrive: a table on a terminal that is ours, else lines."""
    if not is_wanted:
        yield _Silent()
    elif has_table and sys.stderr.isatty():
        from usagectl.cli._render_live import ArrivalTable

        with ArrivalTable() as table:
            yield table
    else:
        yield _Lines()
