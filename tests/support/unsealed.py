"""A stand-in for sealed runs where namespaces are not the question: plain processes, led here.

What it hands over has the form of a `SealedCapture`. Commands find the endpoint in the variable
`MYTOOL_ENDPOINT`; nothing holds them back, so only tools of ours are run so.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from usagectl import capture
from usagectl.capture import children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.machine.environment import Environment

ENDPOINT = "MYTOOL_ENDPOINT"


class Unsealed:
    """A capture on loopback, and the processes that are led there."""

    def __init__(self, opened: capture.Capture) -> None:
        self.namespace = self
        self.file = opened.file
        self.variables: Mapping[str, str] = MappingProxyType(
            {ENDPOINT: opened.address.url(), children.MARK: str(opened.address.port)}
        )
        self._opened = opened
        self._child: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        cwd: Path | None = None,
        streams: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        """Start a command."""
        stdin, stdout, stderr = streams
        self._child = subprocess.Popen(
            command,
            env=dict(variables),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """Return the exit status of the command that was started last; None while it runs."""
        assert self._child is not None
        return self._child.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal to that command and its group."""
        assert self._child is not None
        os.killpg(self._child.pid, number)
        self._child.wait()

    def wait_for_late(self) -> None:
        """Wait for what the commands left running."""
        self._opened.wait_for_late()

    def finish(self) -> None:
        """Stop serving."""
        self._opened.finish()


@contextmanager
def opened(environment: Environment, options: capture.Options) -> Iterator[Unsealed]:
    """Open a capture that commands are led to by a variable."""
    with capture.opened(environment, options) as found:
        yield Unsealed(found)
