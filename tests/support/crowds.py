"""Work of many threads and processes that record at once; spawned processes import it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.machine import Machine
from usagectl import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS = ("PutObject", "GetObject", "DeleteObject")


def tracker_in(folder: str, *, aggregate: bool) -> Tracker:
    """Make a tracker on the machine in a folder, by the real clock."""
    environment = Machine(Path(folder)).environment(now=lambda: datetime.now(UTC))
    return Tracker("mytool", environment=environment, aggregate=aggregate)


def record(tracker: Tracker, calls: int) -> None:
    """Record so many calls of three operations in turn."""
    for number in range(calls):
        tracker.aws_request(service="s3", operation=OPERATIONS[number % 3], status_code=200)


def in_threads(count: int, deed: Callable[[], None]) -> None:
    """Do something in so many threads at once, to its end."""
    threads = [threading.Thread(target=deed) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def spawned(folder: str, threads: int, calls: int, *, aggregate: bool) -> None:
    """Record in a spawned process: it shares nothing, and makes its own tracker."""
    tracker = tracker_in(folder, aggregate=aggregate)
    in_threads(threads, lambda: record(tracker, calls))
    tracker.flush()
