"""The pytest fixture `usagectl_capture`: what a program under test sends, as values.

    def test_nothing_is_sent_when_opted_out(usagectl_capture):
        usagectl_capture.run(["mytool", "build"], variables={"DO_NOT_TRACK": "1"})
        usagectl_capture.assert_silent()

pytest loads it where usagectl is installed, with the option of the conformance kit
(`usagectl.conformance`). It is no part of the package `usagectl`, which programs import before
pytest starts: pytest warns of a plugin's package that it comes too late to rewrite. Here
nothing is asserted (PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.audit import AuditResult
    from usagectl.capture import Capture, Captured
    from usagectl.machine.environment import Environment


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `--pyargs usagectl.conformance`: the description of a tool."""
    parser.getgroup("usagectl").addoption(
        "--usagectl-conformance",
        metavar="FILE",
        help="the tool that `--pyargs usagectl.conformance` checks, described in TOML",
    )


class UsageCapture:
    """An endpoint on loopback that records what is posted to it.

    `url` is its address, without a path; `file` is as `usagectl capture --output` writes one.
    """

    def __init__(self, environment: Environment, capture: Capture) -> None:
        self.url = f"http://{capture.address.host}:{capture.address.port}"
        self.file = capture.file.path
        self._environment = environment
        self._capture = capture
        self._seen = 0
        self._before = self._counts()
        self._words: list[str] = []

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead LocalStack's clients here; a tool of yours reads its own."""
        return dict(self._capture.variables)

    @property
    def events(self) -> list[Captured]:
        """What arrived since the last `clear`: each event, and each request without one."""
        from usagectl import capture

        return list(capture.load(self.file))[self._seen :]

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
    ) -> subprocess.CompletedProcess[str]:
        """Run a program against the endpoint and wait for its late events.

        `variables` are set for it, such as an opt-out, or `{"MYTOOL_URL": url}`.

        Raises:
            OSError: no such program.
            subprocess.TimeoutExpired: it took longer.
        """
        import os
        import subprocess
        import tempfile

        self._words += command if not self._words else command[1:]
        given = {**os.environ, **(variables or {})}  # The test may have set some.
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

    def clear(self) -> None:
        """Forget what has arrived so far."""
        self._seen += len(self.events)
        self._before = self._counts()

    def assert_silent(self) -> None:
        """Fail the test if anything arrived."""
        found = self.events
        if found or self._counts() != self._before:
            told = f"nothing was to be sent, and this arrived:\n{_list(found)}{self._more()}"
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
    lines = [f"  {each.method} {each.path} {each.name} ({each.tool})" for each in found[:20]]
    more = [f"  and {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    return "\n".join([*lines, *more]) or "  nothing"


@pytest.fixture
def usagectl_capture(tmp_path: Path) -> Iterator[UsageCapture]:
    """Serve a telemetry endpoint on loopback for one test; nothing that it gets leaves."""
    from usagectl import capture
    from usagectl.machine import environment

    surroundings = environment.from_process()
    options = capture.Options(file=tmp_path / "usagectl-capture.jsonl")
    with capture.opened(surroundings, options) as opened:
        yield UsageCapture(surroundings, opened)
