"""Trials of a tool: every row is run sealed and judged, side by side where no time is measured."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from usagectl import capture
from usagectl.capture.hosts import Hosts
from usagectl.capture.running import Ended, run_words
from usagectl.errors import StateError
from usagectl.tools import places
from usagectl.verify import canaries, verdicts
from usagectl.verify.homes import Home
from usagectl.verify.rows import ON
from usagectl.verify.verdicts import Ran, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from contextlib import AbstractContextManager

    from usagectl.capture.sealed import SealedCapture
    from usagectl.machine.environment import Environment
    from usagectl.verify.rows import Row
    from usagectl.verify.subject import Subject


class Report(NamedTuple):
    """Results of a tool, in the order of the rows."""

    subject: Subject
    results: tuple[Result, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """Hosts that were asked for and are not known to take telemetry."""
        return tuple(sorted({host for each in self.results for host in each.ran.sent.others}))


class Trials:
    """Rows of one tool, each run once in a fresh home; what others rest on is run when needed.

    `keep` is given the lines of each capture file.
    """

    def __init__(
        self,
        subject: Subject,
        environment: Environment,
        *,
        keep: Callable[[bytes], object] = lambda _lines: None,
        rounds: int = 2,
    ) -> None:
        self._subject = subject
        self._verify = subject.entry.verify
        self._environment = environment
        self._planted = canaries.plant(environment.entropy)
        self._hosts = Hosts([subject.entry])
        self._keep = keep
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
                self._known[row.key] = verdicts.on(row, self._try(row))
        if row.key not in self._known:
            self._known[row.key] = self._judge(row, self.result(ON))
        return self._known[row.key]

    def _judge(self, row: Row, loud: Result) -> Result:
        if row.kind in ("switch", "silent"):
            return verdicts.switch(row, self._try(row), loud=loud)
        if loud.verdict != "keeps":
            return Result(row, "nothing", "nothing", "not-proved", verdicts.NEVER_SENT)
        if row.kind == "values":
            found = canaries.search(loud.ran.traffic, self._planted, loud.ran.folders)
            return verdicts.values(row, *found)
        return self._dead(row)

    def _dead(self, row: Row) -> Result:
        """Measure with a dead endpoint; what seems bad is tried again: others may be to blame."""
        limit = self._verify.delay_seconds
        tried: list[Ran] = []
        while True:
            if len(self._live) <= len(tried):
                self._live.append(self._try(ON))
            tried.append(self._try(ON, answer=row.value))
            found = verdicts.dead(row, self._live, tried, limit=limit)
            if found.verdict != "breaks" or len(tried) >= self._rounds:
                return found

    def _try(self, row: Row, *, answer: str = "on") -> Ran:
        """Run a row: its switch, then the tool's commands, and wait for what is sent late.

        What meets a dead endpoint is not waited for: nobody asks what that would send. Only
        hosts of telemetry are dead, unless all `refuse`: where a tool waits for another, as for
        news of its releases, no telemetry is to blame. Safe to call from several threads.
        """
        with tempfile.TemporaryDirectory(prefix="verify-", ignore_cleanup_errors=True) as folder:
            root = Path(folder).resolve()
            home = Home(root, self._subject, self._planted, self._environment, row)
            try:
                home.make()
                if problem := self._prepare(row, home):
                    return Ran(problem=f"what comes before it {problem}")
                before = home.texts()
                if row.sends_before:  # Its exit status is not asked: what it has written decides.
                    self._unrecorded([row.before], home)
                if row.edit:
                    home.apply(row.edit)
            except StateError as error:
                return Ran(problem=error.message)
            return self._measure(row, home, answer, before)

    def _prepare(self, row: Row, home: Home) -> str:
        """Do what comes before and is not recorded; return why that cannot be done."""
        lines, commands = self._verify.prepare, self._verify.commands
        ended = self._unrecorded(lines, home) if lines else Ended()
        if row.has_waiting:  # With telemetry on and nobody there, so that events may be kept.
            self._unrecorded(commands, home, answer="refuse", without=row.variables)
        if row.edit and home.awaits_file(row.edit):
            self._unrecorded(commands, home)
        return ended.problem

    def _unrecorded(
        self, lines: Sequence[str], home: Home, *, answer: str = "on", without: Container[str] = ()
    ) -> Ended:
        with self._sealed(home, answer) as sealed:
            return self._run_lines(sealed, lines, home, without=without)

    def _measure(self, row: Row, home: Home, answer: str, before: Mapping[str, str]) -> Ran:
        commands = [row.words] if row.words else self._verify.commands
        with self._sealed(home, answer) as sealed:
            if row.before and not row.sends_before:
                self._run_lines(sealed, [row.before], home)
            expected = home.verdict()
            conditions = places.conditions_of(self._subject.entry, home.environment)
            written = {n: text for n, text in home.texts().items() if before.get(n) != text}
            ended = self._run_lines(sealed, commands, home)
            if answer == "on" and not ended.is_late:
                sealed.wait_for_late()
            sealed.finish()
            self._keep(sealed.file.path.read_bytes())
            traffic = sealed.traffic
        sent, folders = traffic.telemetry(self._hosts), home.folders
        return Ran(expected, ended, traffic, sent, "", folders, written, conditions)

    def _sealed(self, home: Home, answer: str) -> AbstractContextManager[SealedCapture]:
        from usagectl.capture import sealed  # loads the libraries of the recorder

        options = capture.Options(answer=answer, is_meant=self._hosts.is_telemetry, reveal=True)
        return sealed.opened(home.environment, options, replaced=home.replaced)

    def _run_lines(
        self, sealed: SealedCapture, lines: Sequence[str], home: Home, without: Container[str] = ()
    ) -> Ended:
        """Run command lines one after another; the status is that of the last that failed."""
        shells = [f"( {home.fill(line)}\n) || status=$?" for line in lines]
        words = ["sh", "-c", "\n".join(["status=0", *shells, "exit $status"])]
        known, seconds = home.environment.variables, self._verify.seconds
        variables = {name: text for name, text in known.items() if name not in without}
        return run_words(sealed.namespace, words, variables, cwd=home.work, seconds=seconds)
