"""Trial runs of a tool: each is made once, however many checks need it."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from usagectl.conformance.sandbox import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from usagectl.conformance.endpoint import Answer
    from usagectl.conformance.sandbox import Done, Meets, Run, Sandbox
    from usagectl.conformance.spec import Spec, Switch, Words

    Fact = TypeVar("Fact")

_PATIENCE_SECONDS = 8.0
_MORE_ROUNDS = 3


class Compared(NamedTuple):
    """Results of a command line with telemetry off and on.

    Attributes:
        first_off: in a new home, with telemetry off.
        first_on: the same with telemetry on.
        off: with telemetry off, where the tool has run before; empty: it did not end.
        on: the same with telemetry on.
        fresh: as `first_off`, while other things ran: its duration means nothing.
    """

    first_off: tuple[Done, ...] = ()
    first_on: tuple[Done, ...] = ()
    off: tuple[Done, ...] = ()
    on: tuple[Done, ...] = ()
    fresh: tuple[Done, ...] = ()

    @property
    def delay_seconds(self) -> float:
        """How much longer it took with telemetry on, the first time or later.

        The shortest durations are compared: other programs can make a run longer, never
        shorter. The first time counts too, since a tool may pause after a failure.
        """
        return max(
            least(self.first_on) - least(self.first_off),
            least(self.on) - least(self.off),
        )

    @property
    def is_late(self) -> bool:
        """True if it took too long with telemetry on and was ended."""
        return not self.on or any(done.is_late for done in (*self.first_on, *self.on))


def least(done: tuple[Done, ...]) -> float:
    """Return the shortest duration."""
    return min(each.seconds for each in done)


class Trials:
    """Runs a tool in every way that checks need, each once; safe to call from any thread.

    Args:
        spec: the description of the tool.
        sandbox: runs it.

    Attributes:
        answers: the answers of an endpoint that are measured together; others one by one.
    """

    def __init__(self, spec: Spec, sandbox: Sandbox) -> None:
        self._spec = spec
        self._sandbox = sandbox
        self.answers: tuple[Answer, ...] = ()
        self._lock = threading.Lock()
        self._known: dict[Hashable, object] = {}
        self._locks: dict[Hashable, threading.Lock] = {}

    def sending(self, words: Words) -> Run:
        """Run a command line twice with telemetry on."""
        return self._once(("sending", words), lambda: self._run([self._on(words)] * 2))

    def silenced(self, words: Words, switch: Switch) -> tuple[Run, Run]:
        """Run it with telemetry off, in a new home and in one where events may wait."""
        off = [*self._switched(switch, "endpoint"), self._on(words, switch)]
        return self._once(
            ("silenced", words, switch.name),
            lambda: (self._run(off), self._run([self._waiting(words), *off])),
        )

    def quiet(self, words: Words) -> tuple[Run, ...]:
        """Run a command line that must never send with telemetry on, in both homes."""
        line = self._on(words)
        waiting = self._waiting(self._spec.sends[0])
        return self._once(("quiet", words), lambda: (self._run([line]), self._run([waiting, line])))

    def silencer(self, words: Words) -> Switch | None:
        """Find a switch that silences a command line: its durations can be compared."""
        for switch in self._spec.off:
            in_new_home, _ = self.silenced(words, switch)
            if not in_new_home.traffic.connections:
                return switch
        return None

    def compared(self, words: Words, answer: Answer) -> Compared | None:
        """Run a command line with telemetry off and on; None without a switch that silences it.

        What seems too slow is measured again: another program may be the reason.
        """
        switch = self.silencer(words)
        if switch is None:
            return None
        wanted = self.answers if answer in self.answers else (answer,)
        series = self._once(("series", words, wanted), lambda: self._series(words, switch, wanted))
        found = series[answer]
        if not found.off or found.is_late or found.delay_seconds <= self._spec.delay_seconds:
            return found
        return self._once(
            ("more", words, answer), lambda: self._with_more(found, words, switch, answer)
        )

    def _series(
        self, words: Words, switch: Switch, wanted: Sequence[Answer]
    ) -> dict[Answer, Compared]:
        """Measure each answer in turn, and off between them: a busy time falls on both."""
        off = [self._timed(words, "refuse", switch, times=1)]
        on: dict[Answer, tuple[Done, ...]] = {}
        for answer in wanted:
            if len(off[-1]) <= 1 or off[-1][-1].is_late:
                return dict.fromkeys(wanted, Compared())
            limit = max(done.seconds for done in off[-1]) + self._spec.delay_seconds
            on[answer] = self._timed(words, answer, seconds=limit + _PATIENCE_SECONDS)
            off.append(self._timed(words, "refuse", switch, times=1))
        first, later = (tuple(each[place] for each in off if len(each) > 1) for place in (0, 1))
        fresh = self.silenced(words, switch)[0].done[-1:]
        return {
            answer: Compared(first, done[:1], later, done[1:], fresh) for answer, done in on.items()
        }

    def _with_more(self, found: Compared, words: Words, switch: Switch, answer: Answer) -> Compared:
        for _ in range(_MORE_ROUNDS):
            off = self._timed(words, "refuse", switch, times=1)
            on = self._timed(words, answer, times=1)
            more = (off[:1], on[:1], off[1:], on[1:], ())
            found = Compared(*(old + new for old, new in zip(found, more, strict=True)))
        return found

    def _timed(
        self,
        words: Words,
        answer: Answer,
        switch: Switch | None = None,
        *,
        times: int = 0,
        seconds: float = math.inf,
    ) -> tuple[Done, ...]:
        """Run it once, then some times more: what one run leaves may delay the next."""
        limit = min(seconds, self._spec.timeout_seconds)
        line = self._on(words, switch)._replace(timeout_seconds=limit, afterwards="leave")
        lines = [line] * (times or self._spec.rounds)
        before = self._switched(switch, "other") if switch else []
        found = self._run([*before, *lines, line._replace(afterwards="kill")], answer).done
        skipped = len(before) + bool(self._spec.on.run)
        return found[skipped:]

    def _on(self, words: Words, switch: Switch | None = None) -> Step:
        return Step(words, switches=(self._spec.on, *([switch] if switch else [])))

    def _waiting(self, words: Words) -> Step:
        """Build a step after which events wait, in a tool that keeps them: nobody answers."""
        return self._on(words)._replace(meets="nobody", afterwards="kill")

    def _switched(self, switch: Switch, meets: Meets) -> list[Step]:
        if not switch.run:
            return []
        return [self._on(switch.run, switch)._replace(meets=meets)]

    def _run(self, steps: list[Step], answer: Answer = "on") -> Run:
        before = [self._on(self._spec.on.run)._replace(meets="other")]
        return self._sandbox.run([*(before if self._spec.on.run else []), *steps], answer=answer)

    def _once(self, key: Hashable, make: Callable[[], Fact]) -> Fact:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._known:
                self._known[key] = make()
            return self._known[key]  # type: ignore[return-value]
