"""Runs of a tool's commands: sealed, in a fresh home, with their output and all that they sent."""

from __future__ import annotations

import os
import selectors
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from usagectl import capture
from usagectl.errors import StateError
from usagectl.verify.homes import Home
from usagectl.verify.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from usagectl.capture.file import CaptureFile
    from usagectl.machine.environment import Environment
    from usagectl.verify.canaries import Planted
    from usagectl.verify.rows import Row
    from usagectl.verify.subject import Subject

DEFAULT_SECONDS = 120.0
_GRACE_SECONDS = 10.0
_STEP_SECONDS = 0.02
_MOST_OUTPUT_BYTES = 1024 * 1024
_MOST_TOLD = 160


class Starting(Protocol):
    """What starts commands one after another, such as a `Namespace`."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that hand the recorder's certificate over."""

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        cwd: Path | None = None,
        streams: tuple[int, int, int] = (0, 1, 2),
    ) -> object:
        """Start a command."""

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal; None while it runs."""

    def kill(self) -> None:
        """Kill all that runs there."""


class Sealed(Protocol):
    """What catches all that commands send: a `SealedCapture`."""

    @property
    def namespace(self) -> Starting:
        """Where the commands run."""

    @property
    def file(self) -> CaptureFile:
        """What came in."""

    def wait_for_late(self) -> None:
        """Wait for what the commands left running."""

    def finish(self) -> None:
        """Stop; from then on the file is complete."""


class Ended(NamedTuple):
    """How a run of commands ended."""

    status: int = 0  # Of the first that failed, else 0.
    seconds: float = 0.0  # Until all had ended and closed their output, as `$(command)` waits.
    is_late: bool = False  # True if one took too long and was ended.
    stdout: bytes = b""  # With a placeholder for the folder of the run, as stderr.
    stderr: bytes = b""

    @property
    def problem(self) -> str:
        """Say how it ended, where that was not well; empty where it was."""
        if self.is_late:
            return "did not end in time, and was ended"
        lines = (self.stderr or self.stdout).decode("utf-8", "replace").split("\n")
        told = next((line.strip() for line in reversed(lines) if line.strip()), "")
        told = told if len(told) <= _MOST_TOLD else f"{told[:_MOST_TOLD]}…"
        return f"failed with status {self.status}{f' ({told})' if told else ''}" * (self.status > 0)


class Ran(NamedTuple):
    """What a row was expected to do, how it ended, and what it sent."""

    expected: str = "unknown"  # The verdict of `consent` in that home, or `breaks`.
    ended: tuple[Ended, ...] = ()  # Of each time that the commands were run in the one home.
    traffic: Traffic = Traffic()
    problem: str = ""  # Why it could not be run, else empty.
    home: str = ""
    work: str = ""
    written: Mapping[str, str] = {}
    conditions: tuple[str, ...] = ()  # What the machine is, as evidence names it.

    @property
    def status(self) -> int:
        """The exit status; 0 where nothing was run."""
        return self.ended[0].status if self.ended else 0


class Bench:
    """Runs rows of one tool, each in a fresh home; safe to use from several threads.

    `open_sealed` opens a sealed capture, as `capture.sealed.opened` does; `keep` is given the
    lines of each capture file.
    """

    def __init__(
        self,
        subject: Subject,
        environment: Environment,
        planted: Planted,
        *,
        open_sealed: Callable[..., AbstractContextManager[Sealed]],
        keep: Callable[[bytes], object] = lambda _lines: None,
    ) -> None:
        self._subject = subject
        self._environment = environment
        self._planted = planted
        self._open = open_sealed
        self._keep = keep

    def run(self, row: Row, *, answer: str = "on", times: int = 1) -> Ran:
        """Run a row: its switch, then the tool's commands, and wait for what is sent late.

        What meets a dead endpoint is not waited for: nobody asks what that would send.

        Raises:
            SealUnavailableError: this system seals nothing.
        """
        with tempfile.TemporaryDirectory(prefix="verify-", ignore_cleanup_errors=True) as folder:
            root = Path(folder).resolve()
            home = Home(root, self._subject, self._planted, self._environment, row)
            try:
                home.make()
                if problem := self._prepare(row, home):
                    return Ran(problem=problem)
                before = home.texts()
                if row.edit:
                    home.apply(row.edit)
            except StateError as error:
                return Ran(problem=error.message)
            return self._measure(row, home, answer, times, before)

    def _prepare(self, row: Row, home: Home) -> str:
        """Do what comes before and is not recorded; return why that cannot be done."""
        commands, variables = self._subject.verify.commands, home.environment.variables
        lines = [*self._subject.verify.prepare, *([row.before] if row.sends_before else [])]
        ended = self._unrecorded(lines, home, variables, "on")
        if row.has_waiting:  # With telemetry on and nobody there, so that events may be kept.
            on = {name: text for name, text in variables.items() if name not in row.variables}
            self._unrecorded(commands, home, on, "refuse")
        if row.edit and home.awaits_file(row.edit):
            self._unrecorded(commands, home, variables, "on")
        return f"what comes before it {ended.problem}" if ended.problem else ""

    def _unrecorded(
        self, lines: Sequence[str], home: Home, variables: Mapping[str, str], answer: str
    ) -> Ended:
        if not lines:
            return Ended()
        with self._sealed(home, answer) as sealed:
            return self._run_lines(sealed, lines, home, variables)

    def _measure(
        self, row: Row, home: Home, answer: str, times: int, before: Mapping[str, str]
    ) -> Ran:
        commands = [row.words] if row.words else self._subject.verify.commands
        variables = home.environment.variables
        with self._sealed(home, answer) as sealed:
            if row.before and not row.sends_before:
                self._run_lines(sealed, [row.before], home, variables)
            expected, conditions = home.verdict(), home.conditions()
            written = {n: text for n, text in home.texts().items() if before.get(n) != text}
            ended = [self._run_lines(sealed, commands, home, variables) for _ in range(times)]
            if answer == "on" and not any(each.is_late for each in ended):
                sealed.wait_for_late()
            sealed.finish()
            file = sealed.file
            self._keep(file.path.read_bytes())
            observed = tuple((each, count) for each, count, _ in file.sums.observed)
            traffic = Traffic(tuple(capture.load(file.path)), observed)
        paths = str(home.home), str(home.work)
        return Ran(expected, tuple(ended), traffic, "", *paths, written, conditions)

    def _sealed(self, home: Home, answer: str) -> AbstractContextManager[Sealed]:
        options = capture.Options(answer=answer, reveal=True, grace_seconds=_GRACE_SECONDS)
        return self._open(home.environment, options)

    def _run_lines(
        self,
        sealed: Sealed,
        lines: Sequence[str],
        home: Home,
        variables: Mapping[str, str],
    ) -> Ended:
        """Run command lines one after another, until one does not end."""
        seconds = float(self._subject.verify.seconds or DEFAULT_SECONDS)
        every: list[Ended] = []
        for each in lines:
            words = ["sh", "-c", home.fill(each)]
            every.append(run_words(sealed, words, variables, cwd=home.work, seconds=seconds))
            if every[-1].is_late:
                break
        return Ended(
            next((each.status for each in every if each.status), 0),
            sum(each.seconds for each in every),
            any(each.is_late for each in every),
            home.without_root(b"".join(each.stdout for each in every)),
            home.without_root(b"".join(each.stderr for each in every)),
        )


def run_words(
    sealed: Sealed,
    words: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Path | None,
    seconds: float,
) -> Ended:
    """Run one command until it has ended and its output is closed, or is ended after a time.

    Raises:
        CommandNotFoundError: no such program.
        CommandNotExecutableError: there is one, but it cannot be started.
    """
    namespace = sealed.namespace
    with ExitStack() as stack:
        nothing = stack.enter_context(open(os.devnull, "rb"))  # noqa: PTH123
        pipes = [os.pipe(), os.pipe()]
        readers = [stack.enter_context(open(reader, "rb", buffering=0)) for reader, _ in pipes]  # noqa: PTH123
        began = time.monotonic()
        try:
            streams = (nothing.fileno(), pipes[0][1], pipes[1][1])
            namespace.start(words, {**variables, **namespace.variables}, cwd=cwd, streams=streams)
        finally:
            for _, writer in pipes:
                os.close(writer)
        is_late, outputs = _await(namespace, [each.fileno() for each in readers], began + seconds)
        taken = time.monotonic() - began
        ended = namespace.poll() or 0
        return Ended(128 - ended if ended < 0 else ended, taken, is_late, *outputs)


def _await(namespace: Starting, readers: Sequence[int], end: float) -> tuple[bool, list[bytes]]:
    """Read output until all of it is closed and the command has ended, or the time is over."""
    outputs = dict.fromkeys(readers, b"")
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map() or namespace.poll() is None:
            if time.monotonic() > end:
                namespace.kill()
                return True, list(outputs.values())
            for key, _ in selector.select(_STEP_SECONDS):
                data = os.read(key.fd, 65536)
                outputs[key.fd] = (outputs[key.fd] + data)[:_MOST_OUTPUT_BYTES]
                if not data:
                    selector.unregister(key.fd)
    return False, list(outputs.values())
