"""Own the logs of what left the queue: `sent/`, and `rejected/` by an endpoint.

A log is made of segments like the queue's. Before the events of one answer
stands a line that says when they were handed over, where to, and what came
back: `{"at":…,"to":…,"status":…,"answer":…}`. The events follow as they waited.
A log is bounded: its oldest segment goes first; what goes of `rejected/` is counted.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from usagectl.spool import bounds, segments

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from usagectl.machine.environment import Environment

SENT, REJECTED = "sent", "rejected"
ANSWER_CHARACTERS = 500


class Handover(NamedTuple):
    """Hold what one answer of an endpoint was: when, from where, its status and first words."""

    at: str
    to: str
    status: int
    answer: str = ""


def build_header(handover: Handover) -> bytes:
    """Build the line that stands before the events of one answer."""
    members = handover._asdict()
    if not handover.answer:
        del members["answer"]
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def parse_header(line: bytes) -> Handover | None:
    """Read such a line; None when it is none."""
    if not line.startswith(b'{"at":'):
        return None
    try:
        members = json.loads(line)
        found = Handover(members["at"], members["to"], members["status"], members.get("answer", ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    texts = (found.at, found.to, found.answer)
    is_sound = all(isinstance(text, str) for text in texts) and isinstance(found.status, int)
    return found if is_sound else None


class Log:
    """Append to one of the two logs; only whoever holds the delivery's lock does.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._descriptor: int | None = None
        self._size = 0

    def append(self, handover: Handover, lines: bytes) -> None:
        """Add whole lines under their header."""
        data = build_header(handover) + lines
        if self._descriptor is None or self._size + len(data) > bounds.LOG_SEGMENT_BYTES:
            self._open(len(data))
        assert self._descriptor is not None  # noqa: S101  (for the type checker)
        written = 0
        try:
            while written < len(data):  # Once is enough but on a full disk, which then says so.
                written += os.write(self._descriptor, data[written:] if written else data)
        except OSError:
            os.ftruncate(self._descriptor, self._size)  # Else the next header ends a torn line.
            raise
        self._size += len(data)

    def prepare(self) -> None:
        """See that something can be added, before there is anything to add: a disk may be full."""
        if self._descriptor is None:
            descriptor = self._open(0)
            os.write(descriptor, b"\n")
            os.ftruncate(descriptor, self._size)

    def close(self) -> None:
        """Close the segment that is written to."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self, room: int) -> int:
        self.close()
        found = segments.list_segments(self._folder)
        last = found[-1] if found and found[-1].role == segments.SHARED else None
        descriptor = segments.try_open(last) if last else None
        if descriptor is not None:
            size = os.fstat(descriptor).st_size
            if size + room <= bounds.LOG_SEGMENT_BYTES:
                if not segments.ends_line(descriptor, size):
                    size += os.write(descriptor, b"\n")
                self._descriptor, self._size = descriptor, size
                return descriptor
            os.close(descriptor)
        self._descriptor = created = segments.create(self._folder)[1]
        self._size = 0
        self._prune(max(room, bounds.LOG_SEGMENT_BYTES))
        return created

    def _prune(self, room: int) -> None:
        """Drop the oldest segments until there is room within the log's size."""
        found = segments.list_segments(self._folder)[:-1]
        sizes = [bounds.size_of(segment) for segment in found]
        total = sum(sizes)
        for segment, size in zip(found, sizes, strict=True):
            if total + room <= bounds.LOG_MAX_BYTES:
                return
            if self._folder.name == REJECTED:
                bounds.drop(self._environment, segment, "full")
            else:
                segments.remove(segment)
            total -= size


def handover_now(now: datetime, *, to: str, status: int, answer: str = "") -> Handover:
    """Describe what was answered just now."""
    return Handover(now.isoformat(), to, status, answer[:ANSWER_CHARACTERS])
