"""Expectations of a capture: which failed, as errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from usagectl.cli._capture_hosts import place_of, told, tool_of, unknown_of
from usagectl.cli._capture_options import MOST_GRACE
from usagectl.errors import UsagectlError, count_of, quote
from usagectl.machine.launchers import program_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.capture import Arrival, Refusal
    from usagectl.capture.traffic import HostTraffic
    from usagectl.catalogue.entry import Entry
    from usagectl.cli._capture_hosts import Sight
    from usagectl.cli._capture_page import Outcome

Expect = Literal["none", "notice", "silence"]

_MOST_FIRST = 5
_SEALED = "usagectl capture --sealed -- CMD"
_KEPT = "--output out.jsonl"
_LEAST_GRACE = 60  # Of those that are proposed.


class UnexpectedEventsError(UsagectlError):
    """Something arrived where nothing was expected, or a command reached for a host."""

    code = "unexpected-events"
    exit_status = 1

    def __init__(
        self, count: int, *, first: Sequence[str], of_hosts: bool = False, hint: str = ""
    ) -> None:
        more = f" and {count - len(first)} more" if count > len(first) else ""
        came = f"{count_of(count, 'request')} arrived"
        if of_hosts:
            came = f"CMD tried {count_of(count, 'place')}"
        super().__init__(
            f"Nothing was to be sent, and {came}: {'; '.join(first)}{more}.",
            hint=hint or "usagectl status",
        )


class SilenceUnprovenError(UsagectlError):
    """Nobody knows whether the command sent something.

    A request was turned away, came by an address that the command was not given, or the command
    is a tool that posts to an address of its own; or a recorder missed something.
    """

    code = "silence-unproven"
    exit_status = 1

    def __init__(
        self,
        turned_away: Mapping[Refusal, int],
        *,
        foreign: int = 0,
        not_led: Sequence[str] = (),
        unstored: int = 0,
        is_blind: bool = False,
        killed: int = 0,
        hint: str = "",
    ) -> None:
        first = sorted(turned_away.items(), key=lambda each: -each[1])[:_MOST_FIRST]
        named = [f"{count} {refusal.what}" for refusal, count in first]
        rest = sum(turned_away.values()) - sum(count for _, count in first)
        named += [f"{rest} more"] if rest else []
        reasons = [f"turned away: {', '.join(named)}"] if named else []
        if foreign:
            reasons.append(f"{count_of(foreign, 'request')} by another address than CMD's")
        reasons += [f"{name} posts to an address of its own" for name in not_led]
        reasons += [f"{count_of(unstored, 'record')} could not be kept"] if unstored else []
        reasons += ["packets could not be watched"] if is_blind else []
        if killed:
            what = count_of(killed, "process", "processes")
            reasons.append(f"{what} still ran and had to be ended")
        helps = f" To mend the first: {first[0][0].advice}." if first else ""
        super().__init__(
            f"Nobody knows what was sent: {'; '.join(reasons)}.{helps}",
            hint=hint or (_SEALED if not_led else "usagectl capture --live -- CMD"),
        )


class ProxyPassedByError(UsagectlError):
    """A proxy saw no telemetry of a tool that is not known to go through one."""

    code = "unproven"
    exit_status = 1

    def __init__(self, name: str, *, ignores: bool) -> None:
        known = "passes a proxy by" if ignores else "is not known to heed a proxy"
        super().__init__(
            f"No telemetry came to the proxy, which proves nothing: {name} {known}, as its entry "
            "of the catalogue has it.",
            hint=_SEALED,
        )


class NoticeNotKeptError(UsagectlError):
    """What arrived departs from the notice."""

    code = "notice-not-kept"
    exit_status = 1

    def __init__(self, errors: int, *, unread: int = 0) -> None:
        loud = f"{count_of(errors, 'finding')} of the level error" if errors else ""
        dark = f"{unread} of what arrived could not be read" if unread else ""
        super().__init__(
            f"What arrived departs from the notice: {', '.join(filter(None, (loud, dark)))}.",
            hint="usagectl audit --list-rules",
        )


def entries_of(words: Sequence[str]) -> list[Entry]:
    """Return the entries of the catalogue that go by a command's name, without those of modules."""
    if not words:
        return []
    from usagectl import catalogue

    index, program = catalogue.index(), program_of(words)
    kinds = [index.executables, *([index.npm, index.python] if program.is_package else [])]
    names = next((each[program.name] for each in kinds if program.name in each), ())
    found = map(catalogue.entry, names)
    return [each for each in found if not each.module and each.default != "off"]


def failed(outcome: Outcome, expect: Expect | None, words: Sequence[str]) -> list[UsagectlError]:
    """List the expectations that failed; what could not be written proves nothing."""
    found: list[UsagectlError] = []
    if expect and outcome.sight is None:
        found += _failed_at_endpoint(outcome, expect, words)
    elif expect and outcome.sight is not None:
        found += _failed_at_recorder(outcome, outcome.sight, expect, words)
    if expect == "notice" and (outcome.loud or outcome.unread):
        found.append(NoticeNotKeptError(outcome.loud, unread=outcome.unread))
    if outcome.capture.file.problem is not None:
        found.append(outcome.capture.file.problem)
    return found


def _failed_at_endpoint(
    outcome: Outcome, expect: Expect, words: Sequence[str]
) -> list[UsagectlError]:
    sums = outcome.sums
    if expect == "none" and (own := sums.requests - sums.foreign):
        return [UnexpectedEventsError(own, first=[_describe(each) for each in outcome.first])]
    not_led = [each.name for each in entries_of(words)]
    if not (sums.refused or sums.foreign or not_led):
        return []
    return [SilenceUnprovenError(sums.turned_away, foreign=sums.foreign, not_led=not_led)]


def _failed_at_recorder(
    outcome: Outcome, sight: Sight, expect: Expect, words: Sequence[str]
) -> list[UsagectlError]:
    """Judge what a recorder saw: hosts that may have got telemetry, or with `silence` any."""
    unwanted = {"none": sight.loud, "silence": sight.traffic, "notice": ()}[expect]
    if unwanted:
        first = [f"{place_of(row)} ({told(row)})" for row in unwanted[:_MOST_FIRST]]
        hint = _hint_of_hosts(outcome, sight, unwanted, expect)
        return [UnexpectedEventsError(len(unwanted), first=first, of_hosts=True, hint=hint)]
    unproven = _unproven(outcome, sight, expect)
    if unproven is not None:
        return [unproven]
    if sight.mode == "proxy" and expect == "none":
        passing = [each for each in entries_of(words) if each.proxy != "honoured"]
        return [ProxyPassedByError(each.name, ignores=each.proxy == "ignored") for each in passing]
    return []


def _unproven(outcome: Outcome, sight: Sight, expect: Expect) -> SilenceUnprovenError | None:
    """Say what might have been missed; of what was ended nobody knows what it meant to send."""
    sums, is_blind = outcome.sums, "no-packets" in sight.lacks
    killed = 0 if expect == "notice" else sight.killed
    if not (sums.unstored or sums.refused or is_blind or killed):
        return None
    grace = max(2 * outcome.capture.options.grace_seconds, _LEAST_GRACE)
    longer = f"--grace {min(grace, MOST_GRACE):g}" if killed else "--live"
    return SilenceUnprovenError(
        sums.turned_away,
        unstored=sums.unstored,
        is_blind=is_blind,
        killed=killed,
        hint=f"usagectl capture --{sight.mode} {longer} -- CMD",
    )


def _hint_of_hosts(
    outcome: Outcome, sight: Sight, unwanted: Sequence[HostTraffic], expect: Expect
) -> str:
    """Say what helps: a known tool has a switch, and no `--own` makes up for silence.

    Only a host that nobody knows may be the command's own.
    """
    if tool := tool_of(unwanted, sight.command):
        return f"usagectl status {tool}"
    host = "" if expect == "silence" else unknown_of(unwanted)
    if not host and outcome.output is not None:
        return f"usagectl audit {quote(outcome.output)}"
    return f"usagectl capture --{sight.mode} {f'--own {quote(host)}' if host else _KEPT} -- CMD"


def _describe(arrival: Arrival) -> str:
    names = ", ".join(sorted(set(arrival.names))) or arrival.problem
    return f"{arrival.method} {arrival.path} ({names})"
