"""The pytest fixtures `usagectl_events` and `usagectl_capture`: what is recorded, what is sent.

    def test_a_build_is_recorded(usagectl_events):
        CliRunner().invoke(app, ["build"])
        assert usagectl_events.names == ["cli_cmd"]

    def test_nothing_is_sent_when_opted_out(usagectl_capture):
        usagectl_capture.run(["mytool", "build"], variables={"DO_NOT_TRACK": "1"})
        usagectl_capture.assert_silent()

The first is for code in the test's own process, the second for programs. Both have a state of
their own, and no opt-out of whoever runs the tests: what is recorded or sent is the same on
each machine. What a test or its fixtures set counts.

pytest loads it where usagectl is installed, with a collector of files that end in
`.usagectl.toml` (`usagectl_pytest.tools`). It is no part of the package `usagectl`, which programs
import before pytest starts: pytest warns of a plugin's package that it comes too late to
rewrite. Here nothing is asserted (PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from usagectl_pytest import events as _events
from usagectl_pytest.events import UsageEvent, UsageEvents

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.audit import AuditResult
    from usagectl.capture import Capture, Captured
    from usagectl.machine.environment import Environment


__all__ = ["UsageCapture", "UsageEvent", "UsageEvents"]

_BEFORE = pytest.StashKey["Mapping[str, str]"]()
"""The variables of whoever runs the tests, as they were before any test set some."""

_HOMES = {
    "HOME": "",
    "USERPROFILE": "",
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "USAGECTL_CONFIG_DIR": ".config/usagectl",
}
"""Variables that name folders of a person, and where these lie below the home of a program."""


def pytest_configure(config: pytest.Config) -> None:
    """Note the variables that pytest was started with."""
    config.stash[_BEFORE] = dict(os.environ)


def _before(config: pytest.Config) -> Mapping[str, str]:
    return config.stash.get(_BEFORE, {**os.environ})


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the file in which an author describes a tool: a test for each row of `verify`."""
    if not file_path.name.endswith(".usagectl.toml"):
        return None
    from usagectl_pytest.tools import ToolFile

    return ToolFile.from_parent(parent, path=file_path)


class UsageCapture:
    """An endpoint on loopback that records what is posted to it.

    `url` is its address, to which a program adds its path. What comes by another address of the
    port is an event too, with `is_foreign`: another program may have sent it. `file` is as
    `usagectl capture --output` writes one.
    """

    def __init__(
        self,
        environment: Environment,
        capture: Capture,
        home: Path,
        *,
        before: Mapping[str, str],
        noticed: set[str],
    ) -> None:
        self.url = capture.address.url()
        self.file = capture.file.path
        self._environment = environment
        self._capture = capture
        self._home = home
        self._before_tests = before
        self._noticed = noticed  # Names of the variables that the test has set.
        self._sealed_events: list[Captured] = []
        self._traces: list[str] = []  # What sealed runs tried: requests, else look-ups and such.
        self._seen = 0
        self._before = self._counts()
        self._words: list[str] = []

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead LocalStack's clients here; a tool of yours reads its own.

        With those of a state and settings of the program's own, for code in this process.
        """
        settings = str(self._home / _HOMES["USAGECTL_CONFIG_DIR"])
        return {**self._capture.variables, "USAGECTL_CONFIG_DIR": settings}

    @property
    def events(self) -> list[Captured]:
        """What arrived since the last `clear`: each event, and each request without one.

        Those of sealed runs come last.
        """
        from usagectl import capture

        return [*list(capture.load(self.file))[self._seen :], *self._sealed_events]

    @property
    def names(self) -> list[str]:
        """The names of the events, in the order in which they arrived."""
        return [event.name for event in self.events]

    def run(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_seconds: float = 60.0,
        sealed: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program against the endpoint and wait for its late events.

        `variables` are set for it, such as an opt-out, or `{"MYTOOL_URL": url}`. With `sealed`
        (Linux) it needs no such variable: every name and address leads to a recorder, nothing
        can leave, and a look-up or connection alone is no silence either.

        Raises:
            OSError: no such program.
            subprocess.TimeoutExpired: it took longer.
            UsagectlError: sealed, and there is no such program, or this system seals nothing.
        """
        import subprocess
        import tempfile

        self._words += command if not self._words else command[1:]
        given = {**self._surroundings(), **(variables or {})}
        if sealed:
            return self._run_sealed(command, given, cwd, timeout_seconds)
        # Files instead of pipes: what runs on in the background may keep those open.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(  # noqa: S603  (running what the test names is the task)
                command,
                env=self._capture.child_variables(given),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=timeout_seconds,
                check=False,
            )
            self._capture.wait_for_late()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())

    def _run_sealed(
        self, command: Sequence[str], variables: Mapping[str, str], cwd: Path | None, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        import subprocess

        from usagectl import capture
        from usagectl.capture import hosts, leading, running, sealed

        environment = self._environment._replace(variables=variables)
        with sealed.opened(environment, capture.Options()) as opened:
            given = {**leading.variables_when_sealed(variables), **opened.variables}
            done = running.run_words(opened.namespace, command, given, cwd=cwd, seconds=seconds)
            if not done.is_late:
                opened.wait_for_late()
            opened.finish()
            traffic = opened.traffic
        self._sealed_events += traffic.captured
        self._traces += traffic.telemetry(hosts.Hosts([])).lines
        if done.is_late:
            raise subprocess.TimeoutExpired(command, seconds, done.stdout, done.stderr)
        out, err = (each.decode("utf-8", "replace") for each in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(command, done.status, out, err)

    def _surroundings(self) -> dict[str, str]:
        """Return the variables of now, without what is the person's who runs the tests."""
        import site

        from usagectl.tools.opt_outs import opt_out_variables

        # A program that `pip install --user` installed is found by its home.
        users = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
        own = {name: str(self._home / place) for name, place in _HOMES.items()}
        ours = _events.of_test(
            os.environ,
            {*own, *opt_out_variables()},
            before=self._before_tests,
            noticed=self._noticed,
        )
        return {**users, **own, **ours}

    def clear(self) -> None:
        """Forget what has arrived so far."""
        self._seen += len(self.events) - len(self._sealed_events)
        self._sealed_events, self._traces = [], []
        self._before = self._counts()

    def assert_silent(self) -> None:
        """Fail the test if anything arrived."""
        found, traces = self.events, self._traces if not self._sealed_events else []
        if found or traces or self._counts() != self._before:
            told = f"nothing was to be sent, and this arrived:\n{_list(found)}{self._more()}"
            told += "".join(f"\n  {each}" for each in traces)
            pytest.fail(told, pytrace=False)

    def assert_only(self, *names: str) -> None:
        """Fail the test unless events of these names arrived, each at least once, and no others."""
        found, more = self.events, self._more()
        if {event.name for event in found} != set(names) or more:
            wanted = ", ".join(names) or "nothing"
            pytest.fail(f"wanted {wanted}; this arrived:\n{_list(found)}{more}", pytrace=False)

    def _counts(self) -> tuple[int, int]:
        sums = self._capture.file.sums
        return sums.requests, sums.refused + sums.unstored

    def _more(self) -> str:
        """Say how many requests were turned away or could not be stored since the last `clear`."""
        lost = self._counts()[1] - self._before[1]
        return f"\n  and {lost} that could not be taken in" if lost else ""

    def audit(self) -> AuditResult:
        """Audit all that arrived: against the notice, and for values of this machine."""
        from usagectl import audit

        return audit.audit_capture(self._environment, self.file, self._words)


def _list(found: list[Captured]) -> str:
    lines = [f"  {each.method} {each.path} {each.name} ({_sender(each)})" for each in found[:20]]
    more = [f"  and {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    return "\n".join([*lines, *more]) or "  nothing"


def _sender(event: Captured) -> str:
    return f"{event.tool}, not by the address of this capture" if event.is_foreign else event.tool


@contextmanager
def _told() -> Iterator[None]:
    """Have an error of ours fail the test with its sentence and what helps, without a traceback."""
    from usagectl.errors import UsagectlError

    try:
        yield
    except UsagectlError as error:
        told = f"{error.message}\n  try: {error.hint}"
        raise pytest.fail.Exception(told, pytrace=False) from None


@pytest.fixture
def usagectl_events(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[UsageEvents]:
    """Record what code in this process records into a store of the test's own; nothing is sent."""
    folder, before = tmp_path_factory.mktemp("usagectl-events"), _before(pytestconfig)
    with _events.recorded(folder, pytestconfig.invocation_params.dir, before) as found:
        yield found


@pytest.fixture
def usagectl_capture(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[UsageCapture]:
    """Serve a telemetry endpoint on loopback for one test; nothing that it gets leaves."""
    from usagectl import capture
    from usagectl.machine import environment

    surroundings = environment.from_process()
    options = capture.Options(file=tmp_path / "usagectl-capture.jsonl", has_secret=True)
    home, before = tmp_path_factory.mktemp("usagectl-home"), _before(pytestconfig)
    with (
        _told(),
        capture.opened(surroundings, options) as opened,
        _events.noticing() as noticed,
    ):
        yield UsageCapture(surroundings, opened, home, before=before, noticed=noticed)
