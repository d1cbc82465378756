"""Trials of a tool: every row is run and judged, side by side where no time is measured."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from usagectl.verify import canaries, verdicts
from usagectl.verify.rows import ON
from usagectl.verify.runs import Bench
from usagectl.verify.verdicts import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.verify.rows import Row
    from usagectl.verify.runs import Ran
    from usagectl.verify.subject import Subject

DEFAULT_DELAY_SECONDS = 1.0


class Report(NamedTuple):
    """Results of a tool, in the order of the rows."""

    subject: Subject
    results: tuple[Result, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """Hosts that were asked for and are not known to take telemetry."""
        every = (host for each in self.results if each.ran for host in each.ran.sent.others)
        return tuple(sorted(set(every)))


class Trials:
    """Rows of one tool, each run once; the row on which others rest is run when needed."""

    def __init__(
        self,
        subject: Subject,
        environment: Environment,
        *,
        keep: Callable[[bytes], object] = lambda _lines: None,
        rounds: int = 2,
    ) -> None:
        self._subject = subject
        self._planted = canaries.plant(environment.entropy)
        self._bench = Bench(subject, environment, self._planted, keep)
        self._rounds = rounds  # How often what seems too slow is measured.
        self._lock = threading.RLock()
        self._known: dict[tuple[str, ...], Result] = {}
        self._live: list[Ran] = []  # Runs with an endpoint that answers, to compare dead ones with.

    def run(
        self, rows: Sequence[Row], *, on_result: Callable[[Result], None] = lambda _result: None
    ) -> Report:
        """Run rows: the one with telemetry on first, the others side by side, times at the end.

        Raises:
            SealUnavailableError: this system seals nothing.
        """
        from concurrent.futures import ThreadPoolExecutor, as_completed

        self.result(ON)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            tasks = [pool.submit(self.result, row) for row in rows if row.kind != "delay"]
            for task in as_completed(tasks):
                on_result(task.result())
        for row in rows:
            if row.kind == "delay":
                on_result(self.result(row))
        return Report(self._subject, tuple(map(self.result, rows)))

    def result(self, row: Row) -> Result:
        """Run a row and judge it, once."""
        with self._lock:
            if row.kind == "on" and row.key not in self._known:
                self._known[row.key] = verdicts.on(row, self._bench.run(row))
        if row.key not in self._known:
            self._known[row.key] = self._judge(row, self.result(ON))
        return self._known[row.key]

    def _judge(self, row: Row, loud: Result) -> Result:
        if row.kind in ("switch", "silent"):
            return verdicts.switch(row, self._bench.run(row), loud=loud)
        if loud.verdict != "keeps" or loud.ran is None:
            return Result(row, "nothing", "nothing", "not-proved", verdicts.NEVER_SENT)
        if row.kind == "values":
            found = canaries.search(loud.ran.traffic, self._planted, loud.ran.folders)
            return verdicts.values(row, *found)
        return self._dead(row)

    def _dead(self, row: Row) -> Result:
        """Measure with a dead endpoint; what seems bad is tried again: others may be to blame."""
        limit = self._subject.verify.delay_seconds or DEFAULT_DELAY_SECONDS
        tried: list[Ran] = []
        while True:
            if len(self._live) <= len(tried):
                self._live.append(self._bench.run(ON))
            tried.append(self._bench.run(ON, answer=row.value))
            found = verdicts.dead(row, self._live, tried, limit=limit)
            if found.verdict != "breaks" or len(tried) >= self._rounds:
                return found
