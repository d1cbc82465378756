"""Rehearsal of recording for a program's own tests: as ever, but elsewhere, at once and unsent."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from usagectl.emitting.background import process
from usagectl.machine import environment as surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.machine.environment import Environment


@contextmanager
def rehearsed(change: Callable[[Environment], Environment]) -> Iterator[None]:
    """Have this process record in a changed environment, by the code that always records.

    Trackers that were made before ask the switches anew, and afterwards go on where they
    were. No thread is started, so `flush` has everything written at once, and nothing is sent.
    """
    before = {client: client.set_aside() for client in process.known}
    try:
        with surroundings.rehearsed(change):
            yield
            flush()
    finally:
        for client in process.known:
            client.take_up(*before.get(client, (None, False, False)))


def flush() -> None:
    """Make events of the counts of every tracker, and write everything."""
    for client in process.known:
        client.flush()
