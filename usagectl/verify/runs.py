"""Runs of a tool's commands: sealed, in a fresh home, with all that they sent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from usagectl import capture
from usagectl.capture.hosts import Hosts
from usagectl.capture.running import Ended, run_words
from usagectl.errors import StateError
from usagectl.verify.homes import Home
from usagectl.verify.traffic import Sent, Traffic, telemetry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from usagectl.capture.sealed import SealedCapture
    from usagectl.machine.environment import Environment
    from usagectl.verify.rows import Row
    from usagectl.verify.subject import Subject

DEFAULT_SECONDS = 120.0
_GRACE_SECONDS = 10.0


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


class Bench:
    """Runs rows of one tool, each in a fresh home; safe to use from several threads.

    `keep` is given the lines of each capture file.
    """

    def __init__(
        self,
        subject: Subject,
        environment: Environment,
        planted: Mapping[str, str],
        keep: Callable[[bytes], object],
    ) -> None:
        self._subject = subject
        self._environment = environment
        self._planted = planted
        self._keep = keep
        self._hosts = Hosts([subject.entry])

    def run(self, row: Row, *, answer: str = "on") -> Ran:
        """Run a row: its switch, then the tool's commands, and wait for what is sent late.

        What meets a dead endpoint is not waited for: nobody asks what that would send. Only
        hosts of telemetry are dead, unless all `refuse`: where a tool waits for another, as for
        news of its releases, no telemetry is to blame.

        Raises:
            SealUnavailableError: this system seals nothing.
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
                    self._unrecorded([row.before], home, home.environment.variables)
                if row.edit:
                    home.apply(row.edit)
            except StateError as error:
                return Ran(problem=error.message)
            return self._measure(row, home, answer, before)

    def _prepare(self, row: Row, home: Home) -> str:
        """Do what comes before and is not recorded; return why that cannot be done."""
        commands, variables = self._subject.verify.commands, home.environment.variables
        lines = self._subject.verify.prepare
        ended = self._unrecorded(lines, home, variables) if lines else Ended()
        if row.has_waiting:  # With telemetry on and nobody there, so that events may be kept.
            on = {name: text for name, text in variables.items() if name not in row.variables}
            self._unrecorded(commands, home, on, answer="refuse")
        if row.edit and home.awaits_file(row.edit):
            self._unrecorded(commands, home, variables)
        return ended.problem

    def _unrecorded(
        self, lines: Sequence[str], home: Home, variables: Mapping[str, str], *, answer: str = "on"
    ) -> Ended:
        with self._sealed(home, answer) as sealed:
            return self._run_lines(sealed, lines, home, variables)

    def _measure(self, row: Row, home: Home, answer: str, before: Mapping[str, str]) -> Ran:
        commands = [row.words] if row.words else self._subject.verify.commands
        variables = home.environment.variables
        with self._sealed(home, answer) as sealed:
            if row.before and not row.sends_before:
                self._run_lines(sealed, [row.before], home, variables)
            expected, conditions = home.verdict(), home.conditions()
            written = {n: text for n, text in home.texts().items() if before.get(n) != text}
            ended = self._run_lines(sealed, commands, home, variables)
            if answer == "on" and not ended.is_late:
                sealed.wait_for_late()
            sealed.finish()
            self._keep(sealed.file.path.read_bytes())
            captured = tuple(capture.load(sealed.file.path))
            traffic = Traffic(captured, tuple(sealed.file.sums.observed))
        sent, folders = telemetry_of(traffic, self._hosts), home.folders
        return Ran(expected, ended, traffic, sent, "", folders, written, conditions)

    def _sealed(self, home: Home, answer: str) -> AbstractContextManager[SealedCapture]:
        from usagectl.capture import sealed  # loads the libraries of the recorder

        options = capture.Options(
            answer=answer,
            is_meant=self._hosts.is_telemetry,
            reveal=True,
            grace_seconds=_GRACE_SECONDS,
        )
        return sealed.opened(home.environment, options)

    def _run_lines(
        self, sealed: SealedCapture, lines: Sequence[str], home: Home, variables: Mapping[str, str]
    ) -> Ended:
        """Run command lines one after another; the status is that of the last that failed."""
        shells = [f"( {home.fill(line)}\n) || status=$?" for line in lines]
        words = ["sh", "-c", "\n".join(["status=0", *shells, "exit $status"])]
        seconds = float(self._subject.verify.seconds or DEFAULT_SECONDS)
        return run_words(sealed.namespace, words, variables, cwd=home.work, seconds=seconds)
