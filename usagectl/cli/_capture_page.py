"""Pages of a capture: requests while they arrive, and the summary at the end."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from shlex import quote
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple, Protocol

from usagectl._version import __version__
from usagectl.audit.findings import FIRST_TELLING
from usagectl.capture import privacy_of, records
from usagectl.capture.file import note_run as note_run_in
from usagectl.capture.observations import Observations
from usagectl.capture.refusals import Refusal
from usagectl.cli import _capture_hosts, _output
from usagectl.cli._capture_live import Watcher
from usagectl.errors import FileExistsAlreadyError, FileUnwritableError, count_of
from usagectl.homes import mask_homes
from usagectl.machine import files
from usagectl.machine.file_errors import unwritable
from usagectl.showing import as_data
from usagectl.tools.registry import built_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from usagectl.audit import AuditResult, Finding
    from usagectl.capture import Arrival, Options, Sums
    from usagectl.capture.file import CaptureFile
    from usagectl.capture.observations import Observation
    from usagectl.cli._capture_hosts import Sight
    from usagectl.cli._render import Page
    from usagectl.errors import UsagectlError
    from usagectl.machine.environment import Environment

_MOST_LINES = 10  # Of the dozen, beside the line before the findings and the next step.
_PLACE_WIDTH = 34
_HOME_PATH = "UC405"
_MOST_RULES = 4  # Below a table of hosts.
_MOST_REASONS = 2
_MOST_HOSTS = 2
_MOST_NUMBERS = 5
_MOST_FIRST = 5
_NOT_SUMS = ("observed", "by_target", "target_bytes")
_MOST_NAMES = 3
_OTHERS = (
    "usagectl capture --sealed -- CMD sees what else CMD tries; here only LocalStack, lstk and "
    "programs that record through usagectl are."
)
_NOTED = ("mode", "status", "requests", "events", "bytes", "refused", "unstored", "hosts")
"""What the capture file says of itself: those of the answer that its lines do not tell."""


class Run(Protocol):
    """A capture, whatever its way."""

    options: Options
    file: CaptureFile
    left: tuple[int, ...]

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that lead a program here; shown, so none of the user's own."""

    def run(self, command: Sequence[str], /) -> int:
        """Run a command, wait for what it leaves running, return its exit status."""

    def wait_for_late(self) -> None:
        """Wait for what still comes."""

    def finish(self) -> None:
        """Stop recording."""


class Recorded(Run, Protocol):
    """A capture by a recorder, which says how well it could see."""

    @property
    def lacks(self) -> Sequence[str]:
        """Codes of what this machine has not got for it, such as `no-redirect`."""

    @property
    def hidden(self) -> Sequence[str]:
        """Sockets of daemons that were hidden from the command."""

    @property
    def killed(self) -> int:
        """How many processes had to be ended."""


class Outcome(NamedTuple):
    """Result of a capture that is over.

    Attributes:
        sums: counts of what came in, under names that may be shown.
        first: the first requests that arrived.
        found: the result of its audit.
        status: the command's exit status, None without a command.
        output: the capture file's name as it was typed.
        sight: what a recorder saw by host; None at the endpoint, which sees requests alone.
    """

    capture: Run
    sums: Sums
    first: Sequence[Arrival]
    found: AuditResult
    status: int | None
    output: str | None = None
    sight: Sight | None = None

    @property
    def unread(self) -> int:
        """The number of events and bodies that no rule has looked at; of a recorder, none has to.

        There, the notice is silent about most programs.
        """
        if self.sight is not None:
            return 0
        audited = self.found.events + self.found.without_events
        return max(self.sums.events + self.sums.unparsed - audited, 0)

    @property
    def loud(self) -> int:
        """The number of findings of the level error."""
        return sum(each.level == "error" for each in self.found.findings)


def sums_shown(sums: Sums, name: Callable[[str], str]) -> Sums:
    """Return the same sums; `name` turns the name of an event into what may be shown of it."""
    by_name: Counter[str] = Counter()
    for each, count in sorted(sums.by_name.items()):
        by_name[name(each)] += count
    turned_away: Counter[Refusal] = Counter()
    for refusal, count in sums.turned_away.items():
        turned_away[refusal_shown(refusal, name)] += count
    return replace(sums, by_name=by_name, turned_away=turned_away)


def refusal_shown(refusal: Refusal, name: Callable[[str], str]) -> Refusal:
    """Return the same refusal with its host as it may be shown; an address tells nothing alone."""
    host, _, _ = refusal.host.rpartition(":")
    for each in (refusal.host, host.strip("[]")):
        with suppress(ValueError):
            ip_address(each)
            return refusal
    return refusal._replace(host=name(refusal.host))


def listening(
    watcher: Watcher, name: Callable[[str], str], *, only_own: bool
) -> tuple[Watcher, list[Arrival]]:
    """Return what hears a capture, and a list that gets the first requests.

    Both are told names as they may be shown. With `only_own`, the list gets none that another
    program may have sent.
    """
    first: list[Arrival] = []

    def on_arrival(arrival: Arrival) -> None:
        shown = arrival._replace(
            path=name(arrival.path),
            names=[*map(name, arrival.names)],
            host=_capture_hosts.host_shown(arrival.host, name),
        )
        watcher.on_arrival(shown)
        if len(first) < _MOST_FIRST and not (only_own and arrival.is_foreign):
            first.append(shown)

    def on_refusal(refusal: Refusal) -> None:
        watcher.on_refusal(refusal_shown(refusal, name))

    def on_observed(observed: Observation) -> None:
        host = _capture_hosts.host_shown(observed.host, name)
        watcher.on_observed(observed._replace(host=host))

    return Watcher(on_arrival, on_refusal, on_observed), first


def names_shown(environment: Environment, *, is_revealed: bool) -> Callable[[str], str]:
    """Return the function that turns a name or a path into what may be shown of it."""
    from usagectl import audit

    if is_revealed:
        return str
    return audit.Auditor(audit.Context.from_environment(environment)).shown_name


def has_containers(environment: Environment, words: Sequence[str]) -> bool:
    """True if a command names what starts containers, and an engine is here."""
    engines = ("docker", "podman")
    starters = [*engines, *(tool.name for tool in built_in() if "container" in tool.parts)]
    named = set(re.findall(r"[\w.]+", " ".join(words)))
    path = environment.variables.get("PATH", "")
    return not named.isdisjoint(starters) and any(shutil.which(each, path=path) for each in engines)


def outcome_data(outcome: Outcome) -> dict[str, object]:
    """Return a capture in its public JSON form."""
    sums = as_data(
        replace(
            outcome.sums,
            turned_away=Counter(),
            observed=Observations(),
            by_target=Counter(),
            target_bytes=Counter(),
        )
    )
    return {
        **{name: value for name, value in sums.items() if name not in _NOT_SUMS},
        "turned_away": [
            {**each._asdict(), "count": count, "advice": each.advice}
            for each, count in outcome.sums.turned_away.most_common()
        ],
        "left_running": list(outcome.capture.left),
        "status": outcome.status,
        "file": as_data(outcome.capture.options.file),
        "variables": as_data(outcome.capture.variables),
        "findings": as_data(outcome.found.findings),
        **_capture_hosts.sight_data(outcome.sight),
    }


def check_summary(file: Path, *, replaces: bool) -> None:
    """Raise before the command runs if its summary could not be written.

    Raises:
        FileExistsAlreadyError: there is a file, and `replaces` is false.
        FileUnwritableError: there is no such folder, or no file can be there.
    """
    if os.path.lexists(file) and file.exists() and not file.is_file():
        raise FileUnwritableError(file, reason="it is not a regular file")
    if not replaces and os.path.lexists(file):
        raise FileExistsAlreadyError(file)
    try:  # The system alone knows: to root, /proc looks like any folder.
        with TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise unwritable(file, error) from error


def write_summary(
    outcome: Outcome, errors: Sequence[UsagectlError], file: Path
) -> list[UsagectlError]:
    """Write the answer for a machine to a file; return the error if that fails."""
    document = _output.envelope_of("capture", outcome_data(outcome), errors)
    try:
        files.replace_bytes(file, json.dumps(document).encode() + b"\n")
    except FileUnwritableError as error:
        return [error]
    return []


def note_run(
    outcome: Outcome, words: Sequence[str], environment: Environment
) -> list[UsagectlError]:
    """Add to the capture file how it was made, for a report; return the error if that fails."""
    data = outcome_data(outcome)
    privacy = privacy_of(environment, reveal=False)  # A file goes further than a terminal.
    name = names_shown(environment, is_revealed=False)
    gaps = _capture_hosts.gaps(outcome.sight) if outcome.sight else []
    members = {
        "time": as_data(environment.now()),
        "usagectl": __version__,
        "command": records.masked_command([name(word) for word in words], privacy),
        **{name: data[name] for name in _NOTED},
        "not_seen": [
            {"code": gap.code, "sentence": mask_homes(gap.sentence, privacy.homes)} for gap in gaps
        ],
    }
    try:
        note_run_in(outcome.capture.file.path, members)
    except FileUnwritableError as error:
        return [error]
    return []


def show_outcome(outcome: Outcome) -> None:
    """Draw the summary in a dozen lines: what arrived, and how it departs from the notice."""
    page, kept = _output.new_page(heeds_columns=True), outcome.output
    if outcome.sight is not None:
        _show_sight(outcome, outcome.sight, page)
        return
    used = _show_sums(outcome, page)
    _show_findings(outcome.found.findings, page, most=max(_MOST_LINES - used, 1))
    if kept is None and outcome.sums.requests:
        page.line("Next: with --output FILE the events are kept for usagectl audit.")
    elif kept is not None and outcome.found.findings:
        page.line(f"Next: usagectl audit {quote(kept)} says more about each finding.")
    elif outcome.status is not None and not outcome.sums.requests:
        page.line(f"Next: {_OTHERS}")


def _show_sight(outcome: Outcome, sight: Sight, page: Page) -> None:
    """Draw what a recorder saw, and where events of the notice's tools depart from it."""
    _capture_hosts.show(sight, page)
    _show_findings(outcome.found.findings, page, most=_MOST_RULES)
    if outcome.output is not None and outcome.sums.requests:
        page.line(f"Next: {quote(outcome.output)} holds each request, for usagectl audit.")
    elif step := _capture_hosts.next_step(sight):
        page.line(f"Next: {step}")


def _show_sums(outcome: Outcome, page: Page) -> int:
    """Draw what came, what did not, and what runs on; return how many lines that took."""
    sums, used = outcome.sums, 1
    if outcome.capture.options.answer == "refuse":
        page.line("Nothing listened, so nothing can be said of what was sent.", style="yellow")
    elif not sums.requests and not sums.refused:
        page.line("Nothing arrived here: no usage event was sent to it.", style="bold green")
    else:
        page.line(
            f"{count_of(sums.events, 'event')} in {count_of(sums.requests, 'request')}, "
            f"{sums.bytes} bytes. None left this machine.",
            style="bold",
        )
        used += _show_names(sums, page)
    for text in filter(None, (_unparsed(sums), _foreign(sums), _left(outcome))):
        page.line(text, style="yellow")
        used += 1
    return used + _show_refusals(sums, page)


def _show_names(sums: Sums, page: Page) -> int:
    most = sums.by_name.most_common(_MOST_NAMES)
    rest = len(sums.by_name) - len(most)
    told = [f"{count} {name}" for name, count in most] + ([f"{rest} more names"] if rest else [])
    if told:
        page.indented(", ".join(told))
    return bool(told)


def _unparsed(sums: Sums) -> str:
    held = count_of(sums.unparsed, "request")
    return f"{held} held no event." if sums.unparsed else ""


def _foreign(sums: Sums) -> str:
    came = count_of(sums.foreign, "request")
    told = f"{came} came by another address than CMD's: another program may have sent that."
    return told if sums.foreign else ""


def _left(outcome: Outcome) -> str:
    left = outcome.capture.left
    numbers = ", ".join(map(str, left[:_MOST_NUMBERS]))
    what = count_of(len(left), "process", "processes")
    told = f"{what} of CMD still running ({numbers}), unheard; till the end the port stays taken."
    return told if left else ""


def _show_refusals(sums: Sums, page: Page) -> int:
    if not sums.refused:
        return 0
    reasons: dict[str, Counter[str]] = {}
    for each, count in sums.turned_away.most_common():
        reasons.setdefault(each.reason, Counter())[each.host] += count
    found = sorted(reasons.items(), key=lambda each: -each[1].total())
    most, rest = found[:_MOST_REASONS], found[_MOST_REASONS:]
    others = ", ".join(f"{hosts.total()} {Refusal(reason).what}" for reason, hosts in rest)
    more = f", among them {others}" if others else ""
    page.line(f"{count_of(sums.refused, 'request')} turned away{more}:", style="yellow")
    page.rows([(str(hosts.total()), _told(reason, hosts)) for reason, hosts in most])
    return (2 if rest else 1) + 2 * len(most)  # In 80 columns a reason takes two lines.


def _told(reason: str, hosts: Counter[str]) -> str:
    named = [host for host, _ in hosts.most_common(_MOST_HOSTS) if host]
    more = f" and {len(hosts) - len(named)} more" if len(hosts) > _MOST_HOSTS else ""
    told = Refusal(reason, f"{', '.join(named)}{more}")
    return f"{told.what}: {told.advice}."


def judge(found: AuditResult) -> AuditResult:
    """Return findings as a capture judges them: a path into a home is an error, known or not."""
    findings = tuple(
        replace(each, level="error") if each.rule == _HOME_PATH else each for each in found.findings
    )
    return found._replace(findings=findings)


class _Group(NamedTuple):
    """Findings of one rule and level, as one row."""

    first: Finding
    members: Sequence[Finding]

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """What comes first: errors, and among them what gives somebody away."""
        return self.first.level != "error", self.first.rule < FIRST_TELLING, self.first.rule


def _show_findings(findings: Sequence[Finding], page: Page, *, most: int) -> None:
    """Draw a row for each rule, worst first, with the places where it is broken."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for each in findings:
        kinds.setdefault((each.level, each.rule), []).append(each)
    groups = sorted(
        (_Group(members[0], members) for members in kinds.values()), key=lambda each: each.rank
    )
    if not groups:
        return
    departures = sum(each.level != "note" for each in findings)
    title = f"{count_of(departures, 'departure')} from the notice" if departures else "Of note"
    more = f"; {len(groups) - most} more rules are broken too" if len(groups) > most else ""
    page.line(f"{title}{more}:", style="bold")
    page.rows([_row(group) for group in groups[:most]])


def _row(group: _Group) -> tuple[str, str, str, str]:
    first, members = group
    places = list(dict.fromkeys(each.place for each in members))
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    room = _PLACE_WIDTH - len(more)
    place = places[0] if len(places[0]) <= room else f"{places[0][: room - 1]}…"
    count = sum(each.count for each in members)
    return first.level, f"{first.rule} {first.name}", str(count), f"{place}{more}"
