"""Runs of one command in a namespace, with its output, until all is closed or a time is over."""

from __future__ import annotations

import os
import selectors
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from usagectl.capture.namespace import Namespace

_STEP_SECONDS = 0.02
_MOST_OUTPUT_BYTES = 1024 * 1024
_MOST_TOLD = 160


class Ended(NamedTuple):
    """How a command ended."""

    status: int = 0
    seconds: float = 0.0  # Until it had ended and closed its output, as `$(command)` waits.
    is_late: bool = False  # True if it took too long and was ended.
    stdout: bytes = b""
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


def run_words(
    namespace: Namespace,
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


def _await(namespace: Namespace, readers: Sequence[int], end: float) -> tuple[bool, list[bytes]]:
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
