"""Print how fast the spool takes events, and how long a full one of the default size is asked.

Run it with `python -m tests.benchmarks.spool [--events N]`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import spool
from usagectl.events.record import Record, new_record, to_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVENT = (
    b'{"name":"cli_cmd","metadata":{"client_time":"2026-11-23 09:00:00.123456"},'
    b'"payload":{"cmd":"usagectl cache-dir set","params":["path","dry_run","json"]}}'
)
GOAL_PER_SECOND = 50_000
GOAL_SECONDS = 5
_BATCH = 2_000


def records(count: int) -> Iterator[Record]:
    """Make events of many hours."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    for number in range(count):
        now = start + timedelta(seconds=number)
        yield new_record(EVENT, tool="usagectl", kind="cli_cmd", now=now, entropy=os.urandom)


def fill(file: Path, count: int) -> float:
    """Add events in batches; return how many a second."""
    batches = [[*records(_BATCH)] for _ in range(count // _BATCH)]
    started = time.perf_counter()
    with spool.opened(file, bounds=spool.Bounds()) as store:
        for batch in batches:
            store.add(batch)
    return count / (time.perf_counter() - started)


def ask(file: Path) -> None:
    """Print what each question takes."""
    with spool.opened(file) as store:
        waiting = store.count(["pending"])
        questions: dict[str, Callable[[], object]] = {
            "list all": lambda: sum(1 for _ in store.entries(["pending"])),
            "list the newest 50": lambda: len([*store.entries(spool.STATES, newest=50)]),
            "count by day and name": lambda: store.stats().total,
            "count what one tool recorded": lambda: store.count(
                ["pending"], spool.Selection(tools=("usagectl",))
            ),
            "write as lines": lambda: sum(
                len(to_line(each.record)) for each in store.entries(["pending"])
            ),
            "remove all": store.purge,
        }
        for name, run in questions.items():
            started = time.perf_counter()
            run()
            took = time.perf_counter() - started
            print(f"{name:32}{took:8.2f} s, {took / GOAL_SECONDS:.2f} of the goal ({waiting:,})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=110_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "spool.db"
        rate = fill(file, options.events)
        share = rate / GOAL_PER_SECOND
        print(f"add, {_BATCH} a transaction: {rate:,.0f} a second, {share:.2f} of the goal")
        ask(file)


if __name__ == "__main__":
    main()
