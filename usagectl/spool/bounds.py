"""Own how large and how old the queue may get; what goes is counted, the oldest first."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from usagectl import settings
from usagectl.spool import envelope, journal, losses, segments

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from usagectl.environment import Environment
    from usagectl.spool.losses import Reason

SEGMENT_BYTES = 1024 * 1024
MAX_BYTES = 32 * 1024 * 1024
MAX_DAYS = 90
LOG_SEGMENT_BYTES = 4 * 1024 * 1024
LOG_MAX_BYTES = 16 * 1024 * 1024


class Bounds(NamedTuple):
    """Hold what the queue may grow to: bytes of all segments, days of a segment."""

    max_bytes: int = MAX_BYTES
    max_days: int = MAX_DAYS


def load(environment: Environment) -> Bounds:
    """Take the bounds from the user's settings, else the defaults."""
    user = settings.load(environment)
    return Bounds(user.spool_max_bytes or MAX_BYTES, user.spool_max_days or MAX_DAYS)


def prune(environment: Environment, folder: Path) -> None:
    """Drop the oldest segments beyond the bounds, and count their events.

    The newest segment always stays; so does one that another process holds.
    """
    limits = load(environment)
    found = segments.list_segments(folder)[:-1]
    sizes = {each: size_of(each) for each in found}
    total = sum(sizes.values())
    for each in found:
        reason: Reason | None = None
        if total > limits.max_bytes:
            reason = "full"
        elif _is_old(each, environment.now(), limits):
            reason = "old"
        if reason is None:
            return  # What is younger is not looked into.
        if drop(environment, each, reason):
            total -= sizes[each]


def drop(environment: Environment, segment: segments.Segment, reason: Reason) -> bool:
    """Remove a segment and count what still waited in it; False when somebody holds it."""
    try:
        with segments.locked(segment) as descriptor:
            if descriptor is None:
                return False
            lost = journal.count_waiting(segment, descriptor)
            segments.remove(segment)
    except OSError:
        return False
    losses.add(environment, reason, lost)
    return True


def size_of(segment: segments.Segment) -> int:
    """Count the bytes of a segment; none when it is gone."""
    try:
        return os.stat(segment.path, follow_symlinks=False).st_size  # noqa: PTH116
    except OSError:
        return 0


def _is_old(segment: segments.Segment, now: datetime, limits: Bounds) -> bool:
    try:
        descriptor = segments.open_existing(segment, for_writing=False)
    except OSError:
        return False
    if descriptor is None:
        return False
    try:
        recorded = envelope.parse_time(envelope.day_of(segments.head_of(descriptor)))
    finally:
        os.close(descriptor)
    # Not the other way round: a person's number of days may be larger than a timedelta takes.
    return recorded is not None and (now - recorded) / timedelta(days=1) > limits.max_days
