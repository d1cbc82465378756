"""The verdict of each rule on what a tool did; a silent tool proves nothing.

Outputs are compared with those of two runs with telemetry off: what differs between
those, such as a printed time, is not telemetry's doing.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.errors import count_of
from usagectl.verify import canaries

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from usagectl.verify.canaries import Canary
    from usagectl.verify.sandbox import Done, Run

Outcome = Literal["passed", "failed", "not-proved"]

NEVER_SENT = "with telemetry on nothing was sent either"
NO_SILENCER = "no switch silences this command line, so there is nothing to compare with"
NO_END = "with telemetry off it did not end either"
_ENDED = "it did not end in time, and was ended"
_OUTPUT_CHARACTERS = 300
_LINE_CHARACTERS = 100
_THREAD_SECONDS = 0.05


class Compared(NamedTuple):
    """Results of a command line with telemetry off and on."""

    first_off: tuple[Done, ...] = ()  # In a new home, with telemetry off.
    first_on: tuple[Done, ...] = ()  # The same with telemetry on.
    off: tuple[Done, ...] = ()  # With telemetry off, after other runs; empty: it did not end.
    on: tuple[Done, ...] = ()  # The same with telemetry on.
    fresh: tuple[Done, ...] = ()  # As `first_off`; others ran: its duration means nothing.

    @property
    def delay_seconds(self) -> float:
        """How much longer it took with telemetry on, the first time or later.

        The shortest durations are compared: other programs can make a run longer, never
        shorter. The first time counts too, since a tool may pause after a failure.
        """
        return max(
            _least(self.first_on) - _least(self.first_off),
            _least(self.on) - _least(self.off),
        )

    @property
    def is_late(self) -> bool:
        """True if it took too long with telemetry on and was ended."""
        return not self.on or any(done.is_late for done in (*self.first_on, *self.on))


class Verdict(NamedTuple):
    """Outcome of a rule, what was found, and the evidence."""

    outcome: Outcome
    found: str
    evidence: tuple[str, ...] = ()


def has_sent(run: Run) -> bool:
    """True if a run sent something that could be recorded."""
    return run.traffic.requests > 0


def on(run: Run) -> Verdict:
    """Judge whether telemetry sends when it is on: all else rests on it."""
    traffic = run.traffic
    if has_sent(run):
        return Verdict("passed", f"{count_of(traffic.requests, 'request')} came", traffic.lines)
    last = run.done[-1]
    if traffic.connections:
        found = f"{count_of(traffic.connections, 'connection')} came that spoke no HTTP (TLS?)"
    else:
        found = "nothing came"
    told = last.stderr.decode("utf-8", "replace").strip()[-_OUTPUT_CHARACTERS:]
    evidence = (f"its exit status is {last.status}", *told.splitlines())
    return Verdict("not-proved", found, evidence)


def silence(runs: Sequence[Run], *, could_send: bool) -> Verdict:
    """Judge whether nothing reached the endpoint, in a new home and where events wait."""
    when = ("in a new home", "after a command whose events had to wait")
    loud = [(state, run) for state, run in zip(when, runs, strict=True) if run.traffic.connections]
    if loud:
        number = sum(run.traffic.connections for _, run in loud)
        evidence = [f"{state}: {line}" for state, run in loud for line in run.traffic.lines]
        return Verdict("failed", f"{count_of(number, 'connection')} came", tuple(evidence))
    unfinished = [done for run in runs for done in run.done if done.is_late or done.is_left]
    if unfinished:
        return Verdict("not-proved", "it did not end, and had to be ended before it might send")
    if not could_send:
        return Verdict("not-proved", NEVER_SENT)
    return Verdict("passed", "nothing came")


def values(run: Run, planted: tuple[Canary, ...], machine: re.Pattern[str] | None) -> Verdict:
    """Judge whether a value of the run stands in anything that came."""
    if not run.traffic.connections:
        return Verdict("not-proved", NEVER_SENT)
    leaks, unreadable = canaries.search(run.traffic, planted, machine)
    if leaks:
        evidence = tuple(f"{leak.place}, {leak.form}, in {leak.where}" for leak in leaks)
        return Verdict("failed", f"{count_of(len(evidence), 'value')} came", evidence)
    if unreadable:
        what = count_of(unreadable, "message")
        return Verdict("not-proved", f"{what} could not be searched (TLS, or an unknown coding)")
    return Verdict("passed", f"no value in {count_of(run.traffic.requests, 'request')}")


def delay(compared: Compared | str, limit: float) -> Verdict:
    """Judge by how much telemetry delays a command, or why that cannot be compared."""
    if isinstance(compared, str):
        return Verdict("not-proved", compared)
    if compared.is_late:
        return Verdict("failed", _ENDED)
    found = compared.delay_seconds
    evidence = (
        _duration_line("in a new home", compared.first_off, compared.first_on),
        _duration_line("later", compared.off, compared.on),
    )
    return Verdict("passed" if found <= limit else "failed", f"{found:+.3f} s", evidence)


def output(compared: Compared | str, complete: Sequence[Done]) -> Verdict:
    """Judge whether telemetry shows in output or exit status, on the first run and later.

    The senders of `complete` runs were waited for.
    """
    if isinstance(compared, str):
        return Verdict("not-proved", compared)
    withs = (*compared.on, *complete)
    try:
        # A first run may mention telemetry on stderr.
        firsts = (*compared.first_off, *compared.fresh)
        found = _differences(firsts, compared.first_on, ("stdout",))
        found += _differences(compared.off, withs, ("stdout", "stderr"))
    except IncomparableError:
        return Verdict("not-proved", "its output differs from run to run with telemetry off too")
    if found:
        return Verdict("failed", "they differ", tuple(dict.fromkeys(found))[:10])
    return Verdict("passed", "they are the same")


def _differences(
    without: Sequence[Done], withs: Sequence[Done], streams: Sequence[str]
) -> list[str]:
    found = []
    statuses = {done.status for done in without}
    for done in withs:
        if done.is_late:
            found.append(_ENDED)
            continue
        if done.status not in statuses:
            wanted = " or ".join(map(str, sorted(statuses)))
            found.append(f"its exit status is {done.status} instead of {wanted}")
        for stream in streams:
            told = difference([getattr(each, stream) for each in without], getattr(done, stream))
            found += [f"{stream}: {told}"] if told else []
    return found


def _duration_line(when: str, off: tuple[Done, ...], on: tuple[Done, ...]) -> str:
    text = f"{when}: off {_least(off):.3f} s (of {len(off)}), "
    text += f"on {_least(on):.3f} s (of {len(on)})"
    held = min(done.seconds - done.own_seconds for done in on)
    if held > max(done.seconds - done.own_seconds for done in off) + _THREAD_SECONDS:
        text += f"; its output was held open for {held:.3f} s after its end"
    return text


def _least(done: tuple[Done, ...]) -> float:
    """Return the shortest duration."""
    return min(each.seconds for each in done)


class IncomparableError(Exception):
    """The output differs so much without telemetry that nothing can be compared."""


def difference(without: Sequence[bytes], found: bytes) -> str:
    """Say where an output differs from those without telemetry; empty if it does not.

    Raises:
        IncomparableError: those have different numbers of lines.
    """
    if found in without:
        return ""
    shapes = {shape for each in without if (shape := _shape(each))}
    if len(shapes) == 1 and all(map(_shape, without)):
        shape = _shape(found)
        if not shape:
            return "it is not JSON any more"
        if shape not in shapes:
            return "its JSON has other members"
    sets = [each.split(b"\n") for each in without]
    if len({len(lines) for lines in sets}) > 1:
        if len(shapes) == 1:
            return ""
        raise IncomparableError
    return _first_other_line(sets, found.split(b"\n"))


def _first_other_line(sets: Sequence[Sequence[bytes]], found: Sequence[bytes]) -> str:
    for number, (mine, *others) in enumerate(zip_longest(found, *sets), start=1):
        is_steady = len(set(others)) == 1
        is_missing = mine is None or others[0] is None
        if is_missing or (is_steady and mine != others[0]):
            return f"line {number} is {_shown(mine)} instead of {_shown(others[0])}"
    return ""


def _shown(line: bytes | None) -> str:
    if line is None:
        return "missing"
    text = repr(line.decode("utf-8", "replace"))
    return text if len(text) <= _LINE_CHARACTERS else f"{text[:_LINE_CHARACTERS]}…"


def _shape(output: bytes) -> str:
    """Return the form of a JSON answer, without its values; empty for another text."""
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        return ""
    return json.dumps(_form(document), sort_keys=True) if isinstance(document, dict | list) else ""


def _form(value: object) -> object:
    if isinstance(value, dict):
        return {name: _form(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_form(value[0])] if value else []
    return type(value).__name__
