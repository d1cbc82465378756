"""Own the capture file while it is written, and the sums of what came in.

A request is on disk before `store` returns, with a single write: the client may
be killed the moment it is answered. Nothing of an event is held in memory.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import Counter
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture import records
from usagectl.errors import FileExistsAlreadyError, FileUnwritableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from usagectl.capture.records import Privacy, Request
    from usagectl.machine.environment import Environment

_MOST_NAMES = 1000
OTHERS = "(others)"


class Arrival(NamedTuple):
    """Hold what is told of a request the moment it came in."""

    method: str
    path: str
    tool: str
    names: list[str]
    bytes: int
    problem: str = ""


@dataclass(slots=True)
class Sums:
    """Hold what came in so far.

    Attributes:
        requests: requests that were recorded.
        events: events in them.
        bytes: bytes of their bodies, as they came.
        by_name: events of each name; beyond a thousand names the rest counts as one.
        unparsed: requests without an event that could be read.
        refused: what was turned away and not recorded: browsers, other hosts, no HTTP.
        unstored: requests that could not be written down.
    """

    requests: int = 0
    events: int = 0
    bytes: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    unparsed: int = 0
    refused: int = 0
    unstored: int = 0


class Recorder:
    """Write requests to a capture file that nobody else may read.

    Args:
        environment: clock and entropy.
        file: the capture file.
        privacy: what is withheld.
        on_arrival: is told of each request once it is stored; called in the server's thread.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsAlreadyError: it is there already.
        FileUnwritableError: it cannot be made.
    """

    def __init__(
        self,
        environment: Environment,
        file: Path,
        *,
        privacy: Privacy,
        on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
        overwrite: bool = False,
    ) -> None:
        self.file = file
        self.sums = Sums()
        self.problem: FileUnwritableError | None = None
        self._environment = environment
        self._privacy = privacy
        self._on_arrival = on_arrival
        self._lock = threading.Lock()
        self._descriptor = _open(file, overwrite=overwrite)

    def store(self, request: Request) -> None:
        """Write a request down; what cannot be is counted, and the client is answered all the same.

        Safe to call from any thread.
        """
        try:
            recorded = records.build(
                request,
                now=self._environment.now(),
                entropy=self._environment.entropy,
                privacy=self._privacy,
            )
        except Exception:  # A bug of ours must not pass for silence.
            with self._lock:
                self.sums.requests += 1
                self.sums.unparsed += 1
                self.sums.unstored += 1
            raise
        with self._lock:
            self._write(recorded.lines)
            self._count(request, recorded)  # What is counted can be read.
        problem = request.problem or ("" if recorded.names else "no event in it")
        size = len(request.body)
        self._on_arrival(
            Arrival(recorded.method, recorded.path, recorded.tool, recorded.names, size, problem)
        )

    def refuse(self) -> None:
        """Count what was turned away."""
        with self._lock:
            self.sums.refused += 1

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _count(self, request: Request, recorded: records.Recorded) -> None:
        sums = self.sums
        sums.requests += 1
        sums.bytes += len(request.body)
        sums.events += len(recorded.names)
        sums.unparsed += not recorded.names
        for name in recorded.names:
            is_known = name in sums.by_name or len(sums.by_name) < _MOST_NAMES
            sums.by_name[name if is_known else OTHERS] += 1

    def _write(self, data: bytes) -> None:
        if self._descriptor < 0:
            self.sums.unstored += 1
            return
        before = os.fstat(self._descriptor).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.sums.unstored += 1
            reason = (error.strerror or "unknown").lower()
            self.problem = FileUnwritableError(self.file, reason=reason)
            _cut_back(self._descriptor, before)


def _cut_back(descriptor: int, size: int) -> None:
    """Take back what was written of a request: half a line helps nobody."""
    try:
        os.ftruncate(descriptor, size)
    except OSError:  # A pipe in its place: what is written there is gone.
        return


def _open(file: Path, *, overwrite: bool) -> int:
    """Open a file of our own; a link, a pipe or a device in its place is not written to."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    flags |= sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))
    try:
        descriptor = os.open(file, flags | (0 if overwrite else os.O_EXCL), 0o600)
    except FileExistsError as error:
        raise FileExistsAlreadyError(
            file, hint=f"usagectl capture --force --output {quote(str(file))}"
        ) from error
    except OSError as error:
        raise _unwritable(file, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileUnwritableError(file, reason="it is no regular file")
    os.ftruncate(descriptor, 0)
    return descriptor


def _unwritable(file: Path, error: OSError) -> FileUnwritableError:
    """Say in plain words why a file cannot be written to, and what helps."""
    if error.errno == errno.ENOENT:
        folder = file.parent
        hint = f"mkdir -p {quote(str(folder))}"
        return FileUnwritableError(file, reason=f"there is no folder {folder}", hint=hint)
    reasons = {errno.ELOOP: "it is a link", errno.ENXIO: "it is a pipe"}
    reason = reasons.get(error.errno or 0, (error.strerror or "unknown").lower())
    return FileUnwritableError(file, reason=reason)


def sums_data(sums: Sums) -> Mapping[str, object]:
    """Give the sums their public JSON form."""
    return {
        "requests": sums.requests,
        "events": sums.events,
        "bytes": sums.bytes,
        "by_name": dict(sorted(sums.by_name.items())),
        "unparsed": sums.unparsed,
        "refused": sums.refused,
        "unstored": sums.unstored,
    }
