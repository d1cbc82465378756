"""Own how large and how old the queue may get; what goes is counted, the oldest first."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from usagectl import settings
from usagectl.spool import envelope, journal, losses, segments

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from usagectl.machine.environment import Environment
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


def refuse_what_is_too_large(environment: Environment, size: int) -> None:
    """Keep out a line that no dropping of others would make room for.

    Raises:
        OSError: it is larger than the queue and a segment together.
    """
    if size > SEGMENT_BYTES and size > load(environment).max_bytes + SEGMENT_BYTES:
        raise OSError(errno.EFBIG, f"the event is larger than the spool may be ({size} bytes)")


def prune(environment: Environment, folder: Path, *, room: int = 0) -> None:
    """Drop the oldest segments beyond the bounds, and count their events.

    The newest segment always stays; so does one that another process holds. What
    the line that is to come has beyond a segment's size (`room`) counts as there.
    """
    limits = load(environment)
    found = segments.list_segments(folder)[:-1]
    sizes = {each: size_of(each) for each in found}
    total = sum(sizes.values()) + max(room - SEGMENT_BYTES, 0)
    for each in found:
        reason: Reason = "full"
        if total <= limits.max_bytes:
            age = _age_of(each, environment.now())
            if age is None:
                continue  # What cannot be read keeps nothing else.
            if age <= limits.max_days:
                return  # What is younger is not looked into.
            reason = "old"
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


def _age_of(segment: segments.Segment, now: datetime) -> float | None:
    """Count the days since a segment began; None when it does not tell, or lies ahead."""
    try:
        descriptor = segments.open_existing(segment, for_writing=False)
    except OSError:
        return None
    if descriptor is None:
        return None
    try:
        recorded = envelope.parse_time(envelope.day_of(segments.head_of(descriptor)))
    finally:
        os.close(descriptor)
    # A person's number of days may be larger than a timedelta takes, so it is days that are told.
    days = (now - recorded) / timedelta(days=1) if recorded else -1.0
    return days if days >= 0 else None
