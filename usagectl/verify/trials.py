"""Trials of a tool: every row is run and judged, side by side where no time is measured."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from usagectl import audit
from usagectl.machine.environment import with_account_home
from usagectl.verify import canaries, verdicts
from usagectl.verify.rows import ON
from usagectl.verify.runs import Bench
from usagectl.verify.traffic import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from usagectl.machine.environment import Environment
    from usagectl.verify.rows import Row
    from usagectl.verify.runs import Ran, Sealed
    from usagectl.verify.subject import Subject
    from usagectl.verify.verdicts import Result

DEFAULT_DELAY_SECONDS = 1.0


class Report(NamedTuple):
    """Results of a tool, in the order of the rows."""

    subject: Subject
    results: tuple[Result, ...]
    others: tuple[str, ...]  # Hosts that were asked for and are not known to take telemetry.

    def bad(self, *kinds: str) -> tuple[Result, ...]:
        """List the results of these kinds that do not show what has to be shown."""
        return tuple(each for each in self.results if each.is_bad and each.row.kind in kinds)

    @property
    def counts(self) -> Counter[str]:
        """How many rows have each verdict."""
        return Counter(each.verdict for each in self.results)


class Trials:
    """Rows of one tool, each run once; the rows on which others rest are run when needed."""

    def __init__(
        self,
        subject: Subject,
        environment: Environment,
        *,
        open_sealed: Callable[..., AbstractContextManager[Sealed]] | None = None,
        keep: Callable[[bytes], object] = lambda _lines: None,
        rounds: int = 2,
    ) -> None:
        self.subject = subject
        self._environment = environment
        self._planted = canaries.plant(environment.entropy)
        self._telemetry = Telemetry(subject.entry)
        opener = open_sealed or _sealed_opener()
        self._bench = Bench(subject, environment, self._planted, open_sealed=opener, keep=keep)
        self._rounds = rounds  # How often what seems too slow is measured.
        self._lock = threading.RLock()
        self._known: dict[tuple[str, ...], Result] = {}
        self._loud: Result | None = None
        self._off: list[Ran] = []  # Runs with telemetry off, to compare others with.

    def run(
        self, rows: Sequence[Row], *, on_result: Callable[[Result], None] = lambda _result: None
    ) -> Report:
        """Run rows: the one with telemetry on first, the others side by side, times at the end.

        Raises:
            SealUnavailableError: this system seals nothing.
        """
        from concurrent.futures import ThreadPoolExecutor

        self.loud(rows[0])
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            tasks = [pool.submit(self.result, row) for row in rows if row.kind != "delay"]
            for task in tasks:
                on_result(task.result())
        for row in rows:
            if row.kind == "delay":
                on_result(self.result(row))
        results = tuple(map(self.result, rows))
        ran = [each.ran for each in results if each.ran]
        others = {host for each in ran for host in self._telemetry.others(each.traffic)}
        return Report(self.subject, results, tuple(sorted(others)))

    def loud(self, row: Row) -> Result:
        """Run the row with telemetry on, on which every other rests."""
        with self._lock:
            if self._loud is None:
                ran = self._bench.run(row)
                self._loud = verdicts.on(row, ran, self._telemetry.sent(ran.traffic))
            return self._loud

    def result(self, row: Row) -> Result:
        """Run a row and judge it, once."""
        if row.kind == "on":
            return self.loud(row)
        if row.key not in self._known:
            self._known[row.key] = self._judge(row)
        return self._known[row.key]

    def _judge(self, row: Row) -> Result:
        loud = self.loud(ON)
        if row.kind == "values":
            return self._values(row, loud)
        if row.kind == "delay":
            return self._dead(row, loud)
        ran = self._bench.run(row)
        return verdicts.switch(row, ran, self._telemetry.sent(ran.traffic), loud=loud)

    def _values(self, row: Row, loud: Result) -> Result:
        ran: Ran | None = loud.ran
        if ran is None:
            return verdicts.values(row, (), 0, loud=loud)
        machine = audit.Context.from_environment(with_account_home(self._environment)).finder
        planted = self._planted.canaries(ran.home, ran.work)
        return verdicts.values(row, *canaries.search(ran.traffic, planted, machine), loud=loud)

    def _dead(self, row: Row, loud: Result) -> Result:
        """Compare with runs that are off; what seems bad is tried again: others may be to blame."""
        silencer = self._silencer() if loud.verdict == "keeps" else None
        limit = self.subject.verify.delay_seconds or DEFAULT_DELAY_SECONDS
        on: list[Ran] = []
        found = verdicts.dead(row, (), (), limit=limit)
        while silencer and len(on) < self._rounds and (not on or found.verdict == "breaks"):
            while len(self._off) < len(on) + 2:
                self._off.append(self._bench.run(silencer, answer="refuse", times=2))
            on.append(self._bench.run(ON, answer=row.value, times=2))
            found = verdicts.dead(row, self._off, on, limit=limit)
        return found

    def _silencer(self) -> Row | None:
        """Find a row that silenced the tool without stopping it."""
        silent = (
            each.row
            for each in self._known.values()
            if each.row.kind == "switch" and each.verdict == "keeps" and not each.requests
            if each.expected in ("off", "local")
        )
        return next(silent, None)


def _sealed_opener() -> Callable[..., AbstractContextManager[Sealed]]:
    from usagectl.capture import sealed  # loads the libraries of the recorder

    return sealed.opened
