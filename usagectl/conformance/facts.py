"""Own what is found out of a tool by running it: each fact once, however many checks need it."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from usagectl.conformance.stage import Step
from usagectl.conformance.wire import can_drop

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from usagectl.conformance.endpoints import Answer
    from usagectl.conformance.machine import Done
    from usagectl.conformance.spec import Spec, Switch, Words
    from usagectl.conformance.stage import Meets, Run, Stage

    Fact = TypeVar("Fact")

ANSWERS: tuple[Answer, ...] = ("on", "error", "hang", "drip", "refuse")
"""How an endpoint may behave; `drop` joins them where the system can do that."""

_PATIENCE_SECONDS = 8.0
_MORE_ROUNDS = 3


def answers() -> tuple[Answer, ...]:
    """List how an endpoint may behave on this system."""
    return (*ANSWERS, "drop") if can_drop() else ANSWERS


class Compared(NamedTuple):
    """Hold how a command line ended with telemetry off and on.

    Attributes:
        first_off: on new machines, with telemetry off.
        first_on: the same with telemetry on.
        off: with telemetry off, when the tool has run there before; empty: it did not end.
        on: the same with telemetry on.
        fresh: as `first_off`, while other things ran: its duration says nothing.
    """

    first_off: tuple[Done, ...] = ()
    first_on: tuple[Done, ...] = ()
    off: tuple[Done, ...] = ()
    on: tuple[Done, ...] = ()
    fresh: tuple[Done, ...] = ()

    @property
    def delay_seconds(self) -> float:
        """Say how much longer it took with telemetry on, the first time or later.

        The least is compared with the least: other programs make a run longer and none
        shorter. The first time counts too, as a tool may rest after a failure.
        """
        return max(
            least(self.first_on) - least(self.first_off),
            least(self.on) - least(self.off),
        )

    @property
    def is_late(self) -> bool:
        """Tell whether it had to be ended with telemetry on."""
        return not self.on or any(done.is_late for done in (*self.first_on, *self.on))


def least(done: tuple[Done, ...]) -> float:
    """Give the shortest duration."""
    return min(each.seconds for each in done)


class Facts:
    """Find out what a tool does, and remember it; safe to call from any thread.

    Args:
        spec: of the tool.
        stage: runs it.
    """

    def __init__(self, spec: Spec, stage: Stage) -> None:
        self._spec = spec
        self._stage = stage
        self._lock = threading.Lock()
        self._known: dict[Hashable, object] = {}
        self._locks: dict[Hashable, threading.Lock] = {}

    def sending(self, words: Words) -> Run:
        """Run a command line twice with telemetry on."""
        return self._once(("sending", words), lambda: self._run([self._on(words)] * 2))

    def silenced(self, words: Words, switch: Switch) -> tuple[Run, Run]:
        """Run it with telemetry off, on a new machine and on one where something may wait."""
        off = [*self._switched(switch, "endpoint"), self._on(words, switch)]
        return self._once(
            ("silenced", words, switch.name),
            lambda: (self._run(off), self._run([self._waiting(words), *off])),
        )

    def quiet(self, words: Words) -> tuple[Run, ...]:
        """Run what must never send with telemetry on, likewise."""
        line = self._on(words)
        waiting = self._waiting(self._spec.sends[0])
        return self._once(("quiet", words), lambda: (self._run([line]), self._run([waiting, line])))

    def silencer(self, words: Words) -> Switch | None:
        """Find a switch that does silence a command line: with it, durations can be compared."""
        for switch in self._spec.off:
            on_new_machine, _ = self.silenced(words, switch)
            if not on_new_machine.traffic.connections:
                return switch
        return None

    def compared(self, words: Words, answer: Answer) -> Compared | None:
        """Run a command line with telemetry off and on; None without a switch that silences it.

        What seems too slow is measured some more times, as another program may be the reason.
        """
        switch = self.silencer(words)
        if switch is None:
            return None
        series = self._once(("series", words), lambda: self._series(words, switch))
        found = series[answer]
        if not found.off or found.is_late or found.delay_seconds <= self._spec.delay_seconds:
            return found
        return self._once(
            ("more", words, answer), lambda: self._with_more(found, words, switch, answer)
        )

    def _series(self, words: Words, switch: Switch) -> dict[Answer, Compared]:
        """Measure every answer in turn, and off between them: a busy while falls on both."""
        off = [self._timed(words, "refuse", switch, times=1)]
        on: dict[Answer, tuple[Done, ...]] = {}
        for answer in answers():
            if len(off[-1]) <= 1 or off[-1][-1].is_late:
                return dict.fromkeys(answers(), Compared())
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
        """Run it once, then some times more: what one leaves may be in the next one's way."""
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
        """Have something wait to be sent, in a tool that keeps it: its endpoint is away."""
        return self._on(words)._replace(meets="nobody", afterwards="kill")

    def _switched(self, switch: Switch, meets: Meets) -> list[Step]:
        if not switch.run:
            return []
        return [self._on(switch.run, switch)._replace(meets=meets)]

    def _run(self, steps: list[Step], answer: Answer = "on") -> Run:
        before = [self._on(self._spec.on.run)._replace(meets="other")]
        return self._stage.run([*(before if self._spec.on.run else []), *steps], answer=answer)

    def _once(self, key: Hashable, make: Callable[[], Fact]) -> Fact:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._known:
                self._known[key] = make()
            return self._known[key]  # type: ignore[return-value]
