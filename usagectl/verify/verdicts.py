"""Verdicts of a verification: what was expected of each row, what came, and whether that holds.

A silent tool proves nothing: where nothing is sent with telemetry on, no switch is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.capture.running import Ended
from usagectl.capture.traffic import Sent, Traffic
from usagectl.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.verify.rows import Row

Verdict = Literal["keeps", "breaks", "quieter", "not-proved"]
"""`breaks`: it does not keep its word; `quieter`: it sent nothing where it was expected to."""

_WORDS: dict[Verdict, str] = {
    "keeps": "keeps its word",
    "breaks": "breaks its word",
    "quieter": "quieter than expected",
    "not-proved": "not proved",
}

NEVER_SENT = "nothing was sent with telemetry on, so silence proves nothing"


class Ran(NamedTuple):
    """What a row was expected to do, how it ended, and what it sent."""

    expected: str = "unknown"  # The verdict of `consent` in that home, or `breaks`.
    ended: Ended = Ended()
    traffic: Traffic = Traffic()
    sent: Sent = Sent()  # What of the traffic is telemetry.
    problem: str = ""  # Why it could not be run, else empty.
    folders: Mapping[str, str] = {}  # The paths of `home` and `work`.
    written: Mapping[str, str] = {}  # The tool's files that the row's switch has changed.
    conditions: tuple[str, ...] = ()  # What the machine is, as evidence names it.


class Result(NamedTuple):
    """One row, and what became of it."""

    row: Row
    expected: str  # `on`, `off`, `local`, `breaks` or `unknown`; or the rule, in a few words.
    came: str  # What came, in words.
    verdict: Verdict
    why: str = ""  # What the verdict rests on, where the counts do not say it.
    evidence: tuple[str, ...] = ()  # The same, line by line.
    requests: int | None = None  # To telemetry hosts; None where nothing was run.
    ran: Ran = Ran()

    @property
    def words(self) -> str:
        """The verdict in words; a switch that changes nothing, as expected, keeps no word."""
        is_sending = self.verdict == "keeps" and self.expected in ("on", "unknown")
        return "sends as said" if is_sending else _WORDS[self.verdict]

    @property
    def is_bad(self) -> bool:
        """True if the row does not show what has to be shown."""
        return self.verdict in ("breaks", "not-proved")


def on(row: Row, ran: Ran) -> Result:
    """Judge the run with telemetry on: something has to come, or nothing is proved."""
    why, sent = ran.problem or _told(ran), ran.sent
    if sent.is_silent:
        why = why or "its commands sent nothing at all"
        return Result(row, "on", "nothing", "not-proved", why, (), 0, ran)
    return Result(row, "on", sent.text, "keeps", why, sent.lines, sent.requests, ran)


def switch(row: Row, ran: Ran, *, loud: Result) -> Result:
    """Judge a run with a switch, or of a command that never sends."""
    expected, sent = "silent" if row.kind == "silent" else ran.expected, ran.sent
    verdict, why = _verdict(expected, ran, loud)
    return Result(row, expected, sent.text, verdict, why, sent.lines, sent.requests, ran)


def _verdict(expected: str, ran: Ran, loud: Result) -> tuple[Verdict, str]:
    is_to_be_silent = expected in ("off", "local", "breaks", "silent")
    if not ran.sent.is_silent:
        return ("breaks", "") if is_to_be_silent else ("keeps", "")
    if doubt := ran.problem or _doubt(expected, ran, loud):
        return "not-proved", doubt
    if expected == "breaks" and ran.ended.status:
        return "keeps", "the tool stops with an error"
    return ("keeps", "") if is_to_be_silent else ("quieter", "")


def _doubt(expected: str, ran: Ran, loud: Result) -> str:
    """Say why the silence of a run proves nothing; empty where it does."""
    if ran.ended.is_late:
        return _told(ran)
    if loud.verdict != "keeps":
        return NEVER_SENT
    if ran.ended.status == loud.ran.ended.status or expected in ("silent", "breaks"):
        return ""
    return f"{_told(ran) or 'the command ended well'}, other than with telemetry on"


def _told(ran: Ran) -> str:
    return f"the command {ran.ended.problem}" if ran.ended.problem else ""


def values(row: Row, leaks: Sequence[str], unreadable: int) -> Result:
    """Judge whether a typed value, or another that was planted, is in anything that was sent."""
    if leaks:
        came = count_of(len(leaks), "value")
        return Result(row, "no value", came, "breaks", "", tuple(leaks))
    if unreadable:
        why = f"{count_of(unreadable, 'message')} could not be searched"
        return Result(row, "no value", "no value", "not-proved", why)
    return Result(row, "no value", "no value", "keeps")


def dead(row: Row, live: Sequence[Ran], tried: Sequence[Ran], *, limit: float) -> Result:
    """Judge whether commands take longer, or fail, where the endpoint is dead.

    The shortest durations are compared: other programs make a run longer, never shorter.
    """
    expected = f"at most {limit:g} s"
    if any(each.ended.is_late for each in live):
        why = "with an endpoint that answers it did not end"
        return Result(row, expected, "nothing", "not-proved", why)
    if any(each.ended.is_late for each in tried):
        return Result(row, expected, "no end", "breaks", "it did not end in time, and was ended")
    without, with_ = (min(each.ended.seconds for each in runs) for runs in (live, tried))
    found = [f"{with_:.2f} s instead of {without:.2f} s"] if with_ - without > limit else []
    status, usual = (runs[-1].ended.status for runs in (tried, live))
    found += [f"its exit status is {status} instead of {usual}"] if status != usual else []
    verdict: Verdict = "breaks" if found else "keeps"
    return Result(row, expected, f"{with_ - without:+.2f} s", verdict, "", tuple(found))
