"""The capture file while it is written, and the sums of what came in.

A request is on disk before `store` returns: its client may be killed the moment it is
answered. No event is kept in memory.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture import records
from usagectl.capture.observations import Observations
from usagectl.errors import FileExistsAlreadyError, FileUnwritableError
from usagectl.machine import owners
from usagectl.machine.file_errors import unwritable
from usagectl.machine.files import refuse_foreign_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from usagectl.capture.observations import Observation
    from usagectl.capture.records import Arrival, Privacy, Request
    from usagectl.capture.refusals import Refusal
    from usagectl.machine.environment import Environment

MOST_BYTES = 1024 * 1024 * 1024
"""The size of a capture file: whatever a command sends must not fill the disk."""

_MOST_NAMES = 1000
_MOST_HOSTS = 100
_MOST_TARGETS = 1000
OTHERS = "(others)"


class Target(NamedTuple):
    """Where a request was to go, in clear: one host may serve several tools, by their paths."""

    host: str
    port: int
    path: str = ""  # Empty too for what came when a thousand were known.


@dataclass(slots=True)
class Sums:
    """Counts of what came in so far."""

    requests: int = 0
    events: int = 0
    bytes: int = 0  # Of the recorded requests' bodies, as they came.
    by_name: Counter[str] = field(default_factory=Counter)  # At most a thousand names, and others.
    foreign: int = 0  # Requests without the secret path: another program may have sent them.
    unparsed: int = 0  # Requests without a readable event.
    refused: int = 0  # What was turned away and not recorded: browsers, other hosts, no HTTP.
    turned_away: Counter[Refusal] = field(default_factory=Counter)  # The same by reason and host.
    unstored: int = 0  # Requests that could not be written to the file.
    observed: Observations = field(default_factory=Observations)  # By a recorder, beside these.
    by_target: Counter[Target] = field(default_factory=Counter)  # Requests to a recorder.
    target_bytes: Counter[Target] = field(default_factory=Counter)  # The size of their bodies.


class CaptureFile:
    """A capture file that is being written; only its owner may read it.

    It calls `on_arrival` with each stored request, `on_refusal` with each that was turned
    away, and `on_observed` with each new thing that was seen beside them, masked as in the
    file; all in the server's thread.

    Raises:
        FileExistsAlreadyError: there is such a file.
        FileUnwritableError: it cannot be made.
    """

    def __init__(  # noqa: PLR0913  (who hears of what, and its bounds)
        self,
        environment: Environment,
        path: Path,
        *,
        privacy: Privacy,
        on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
        on_refusal: Callable[[Refusal], None] = lambda _refusal: None,
        on_observed: Callable[[Observation], None] = lambda _observed: None,
        overwrite: bool = False,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self.sums = Sums()
        self.problem: FileUnwritableError | None = None
        self._environment = environment
        self._privacy = privacy
        self._on_arrival = on_arrival
        self._on_refusal = on_refusal
        self._on_observed = on_observed
        self._lock = threading.Lock()
        self._descriptor = _open(path, overwrite=overwrite)

    def store(self, request: Request) -> None:
        """Write a request to the file; one that cannot be written is counted.

        Safe to call from any thread.
        """
        try:
            lines, arrival = records.build(
                request,
                now=self._environment.now(),
                entropy=self._environment.entropy,
                privacy=self._privacy,
            )
        except Exception:  # A bug of ours must not look like silence.
            with self._lock:
                self.sums.requests += 1
                self.sums.unparsed += 1
                self.sums.unstored += 1
            raise
        with self._lock:
            self._write(lines)
            self._count(arrival)  # What is counted can be read.
            self._count_target(request)
        self._on_arrival(arrival)

    def refuse(self, refusal: Refusal) -> None:
        """Count a request that was turned away."""
        with self._lock:
            known = self.sums.turned_away
            is_known = refusal in known or len(known) < _MOST_HOSTS
            known[refusal if is_known else refusal._replace(host=OTHERS)] += 1
            self.sums.refused += 1
        self._on_refusal(refusal)

    def observe(self, observed: Observation) -> None:
        """Count something that a recorder saw beside the requests; safe to call from any thread."""
        with self._lock:
            is_new = self.sums.observed.add(observed, now=self._environment.now())
        if is_new:
            self._on_observed(records.masked_observation(observed, self._privacy))

    def close(self) -> None:
        """Write what was seen beside the requests, and close the file. Twice is fine."""
        with self._lock:
            if self._descriptor < 0:
                return
            seen = tuple(self.sums.observed)
            lines = [records.build_observation(each, privacy=self._privacy) for each in seen]
            if lines:
                self._write(b"".join(lines))
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close the file and remove it: a capture that saw nothing run proves nothing."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _count_target(self, request: Request) -> None:
        if not request.host:
            return
        sums, target = self.sums, Target(request.host, request.port, request.path)
        if target not in sums.by_target and len(sums.by_target) >= _MOST_TARGETS:
            target = target._replace(path="")
        if target not in sums.by_target and len(sums.by_target) >= 2 * _MOST_TARGETS:
            target = Target(OTHERS, 0)
        sums.by_target[target] += 1
        sums.target_bytes[target] += len(request.body)

    def _count(self, arrival: Arrival) -> None:
        sums = self.sums
        sums.requests += 1
        sums.bytes += arrival.bytes
        sums.events += len(arrival.names)
        sums.unparsed += not arrival.names
        sums.foreign += arrival.is_foreign
        for name in arrival.names:
            is_known = name in sums.by_name or len(sums.by_name) < _MOST_NAMES
            sums.by_name[name if is_known else OTHERS] += 1

    def _require_room(self, size: int) -> None:
        """Raise what the system raises for a file that becomes too large."""
        if size > self._most_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    def _write(self, data: bytes) -> None:
        if self._descriptor < 0:
            self.sums.unstored += 1
            return
        before = os.fstat(self._descriptor).st_size
        try:
            self._require_room(before + len(data))
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.sums.unstored += 1
            self.problem = unwritable(self.path, error)
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)  # Half a line is useless.


def note_run(file: Path, members: Mapping[str, object]) -> None:
    """Add to a closed capture file the line that says how it was made.

    Raises:
        FileUnwritableError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(file, flags)
        try:
            os.write(descriptor, records.build_run(members))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unwritable(file, error) from error


def _open(file: Path, *, overwrite: bool) -> int:
    """Open a regular file; refuse a link, a pipe or a device in its place."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    flags |= sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))
    try:
        refuse_foreign_link(file.parent)
        descriptor = os.open(file, flags | (0 if overwrite else os.O_EXCL), 0o600)
    except FileExistsError as error:
        hint = f"usagectl capture --force --output {quote(str(file))} -- CMD"
        raise FileExistsAlreadyError(file, hint=hint) from error
    except OSError as error:
        raise _unwritable(file, error) from error
    if reason := _why_refused(os.fstat(descriptor)):
        os.close(descriptor)
        raise FileUnwritableError(file, reason=reason)
    os.ftruncate(descriptor, 0)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)  # It may have been open to all.
        owners.give_away(file)
    return descriptor


def _why_refused(found: os.stat_result) -> str:
    """Say why nothing is captured into a file that is there; empty where it may be replaced."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if owners.effective_uid() not in (None, found.st_uid):
        return f"it belongs to {owners.name_of(found.st_uid)}"
    return ""


def _unwritable(file: Path, error: OSError) -> FileUnwritableError:
    """Build the error: why a file cannot be written, and what helps."""
    reasons = {errno.ELOOP: "it is a link", errno.ENXIO: "it is a pipe"}
    if reason := reasons.get(error.errno or 0):
        return FileUnwritableError(file, reason=reason)
    return unwritable(file, error)
