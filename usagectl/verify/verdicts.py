"""Verdicts of a verification: what was expected of each row, what came, and whether that holds.

A silent tool proves nothing: where nothing is sent with telemetry on, no switch is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.errors import count_of
from usagectl.verify.outputs import IncomparableError, difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.verify.canaries import Leak
    from usagectl.verify.rows import Row
    from usagectl.verify.runs import Ended, Ran
    from usagectl.verify.traffic import Sent

Verdict = Literal["keeps", "breaks", "quieter", "not-proved"]
"""`breaks`: it does not keep its word; `quieter`: it sent nothing where it was expected to."""

WORDS: dict[Verdict, str] = {
    "keeps": "keeps its word",
    "breaks": "breaks its word",
    "quieter": "quieter than expected",
    "not-proved": "not proved",
}

NEVER_SENT = "nothing was sent with telemetry on, so silence proves nothing"
NO_SILENCER = "no switch silences these commands, so there is nothing to compare with"


class Result(NamedTuple):
    """One row, and what became of it."""

    row: Row
    expected: str  # `on`, `off`, `local`, `breaks` or `unknown`; or the rule, in a few words.
    came: str  # What came, in words.
    verdict: Verdict
    why: str = ""  # What the verdict rests on, where the counts do not say it.
    evidence: tuple[str, ...] = ()  # The same, line by line.
    requests: int | None = None  # To telemetry hosts; None where nothing was run.
    ran: Ran | None = None

    @property
    def text(self) -> str:
        """The result in lines for a person."""
        lines = (f"expected: {self.expected}", f"came: {self.came}", self.why, *self.evidence)
        return "\n  ".join([f"{self.row.name}: {WORDS[self.verdict]}", *filter(None, lines)])

    @property
    def is_bad(self) -> bool:
        """True if the row does not show what has to be shown."""
        return self.verdict in ("breaks", "not-proved")


def on(row: Row, ran: Ran, sent: Sent) -> Result:
    """Judge the run with telemetry on: something has to come, or nothing is proved."""
    why = ran.problem or _told(ran)
    if sent.is_silent:
        why = why or "its commands sent nothing at all"
        return Result(row, "on", "nothing", "not-proved", why, (), 0, ran)
    return Result(row, "on", sent.text, "keeps", why, sent.lines, sent.requests, ran)


def switch(row: Row, ran: Ran, sent: Sent, *, loud: Result) -> Result:
    """Judge a run with a switch, or of a command that never sends."""
    expected = "silent" if row.kind == "silent" else ran.expected
    verdict, why = _verdict(expected, ran, sent, loud)
    return Result(row, expected, sent.text, verdict, why, sent.lines, sent.requests, ran)


def _verdict(expected: str, ran: Ran, sent: Sent, loud: Result) -> tuple[Verdict, str]:
    is_to_be_silent = expected in ("off", "local", "breaks", "silent")
    if not sent.is_silent:
        return ("breaks", "") if is_to_be_silent else ("keeps", "")
    if doubt := ran.problem or _doubt(expected, ran, loud):
        return "not-proved", doubt
    if expected == "breaks" and ran.status:
        return "keeps", "the tool stops with an error"
    return ("keeps", "") if is_to_be_silent else ("quieter", "")


def _doubt(expected: str, ran: Ran, loud: Result) -> str:
    """Say why the silence of a run proves nothing; empty where it does."""
    if any(each.is_late for each in ran.ended):
        return _told(ran)
    if loud.verdict != "keeps":
        return NEVER_SENT
    is_same = loud.ran is not None and ran.status == loud.ran.status
    if is_same or expected in ("silent", "breaks"):
        return ""
    return f"{_told(ran) or 'the command ended well'}, other than with telemetry on"


def _told(ran: Ran) -> str:
    problem = next((each.problem for each in ran.ended if each.problem), "")
    return f"the command {problem}" if problem else ""


def values(row: Row, leaks: Sequence[Leak], unreadable: int, *, loud: Result) -> Result:
    """Judge whether a typed value, or another that was planted, is in anything that was sent."""
    expected = "no value"
    if loud.verdict != "keeps":
        return Result(row, expected, "nothing", "not-proved", NEVER_SENT)
    if leaks:
        lines = tuple(f"{leak.place}, {leak.form}, in {leak.where}" for leak in leaks)
        return Result(row, expected, count_of(len(leaks), "value"), "breaks", "", lines)
    if unreadable:
        why = f"{count_of(unreadable, 'message')} could not be searched"
        return Result(row, expected, "no value", "not-proved", why)
    return Result(row, expected, "no value", "keeps")


def dead(row: Row, off: Sequence[Ran], on: Sequence[Ran], *, limit: float) -> Result:
    """Judge whether commands take longer, or say or end otherwise, while the endpoint is dead.

    Each run is of commands in a new home, and once more in the same. The shortest durations are
    compared: other programs make a run longer, never shorter.
    """
    expected = f"at most {limit:g} s, no trace"
    if not off or not on:
        return Result(row, expected, "nothing", "not-proved", NO_SILENCER)
    if any(each.is_late for ran in off for each in ran.ended):
        return Result(row, expected, "nothing", "not-proved", "with telemetry off it did not end")
    if any(each.is_late for ran in on for each in ran.ended):
        return Result(row, expected, "no end", "breaks", "it did not end in time, and was ended")
    pairs = [_shortest(off, on, time) for time in range(len(off[0].ended))]
    longest = max(with_ - without for without, with_ in pairs)
    lines = [
        f"{when}: off {without:.2f} s, on {with_:.2f} s"
        for when, (without, with_) in zip(("in a new home", "later"), pairs, strict=False)
    ]
    found, why = _differences(off, on)
    verdict: Verdict = "breaks" if found or longest > limit else "keeps"
    evidence = (*(lines if longest > limit else ()), *dict.fromkeys(found))
    return Result(row, expected, f"{longest:+.2f} s", verdict, why, evidence)


def _shortest(off: Sequence[Ran], on: Sequence[Ran], time: int) -> tuple[float, float]:
    short, long = (min(ran.ended[time].seconds for ran in every) for every in (off, on))
    return short, long


def _differences(off: Sequence[Ran], on: Sequence[Ran]) -> tuple[list[str], str]:
    """List what telemetry changes in output and status; a first run may mention it on stderr."""
    found: list[str] = []
    try:
        for time in range(len(off[0].ended)):
            without, withs = ([ran.ended[time] for ran in every] for every in (off, on))
            for ended in withs:
                found += _differs(without, ended, ("stdout", "stderr")[: time + 1])
    except IncomparableError:
        return found, "its output differs from run to run with telemetry off too"
    return found, ""


def _differs(without: Sequence[Ended], ended: Ended, streams: Sequence[str]) -> list[str]:
    statuses = sorted({each.status for each in without})
    found = []
    if ended.status not in statuses:
        wanted = " or ".join(map(str, statuses))
        found.append(f"its exit status is {ended.status} instead of {wanted}")
    for stream in streams:
        told = difference([getattr(each, stream) for each in without], getattr(ended, stream))
        found += [f"{stream}: {told}"] if told else []
    return found
