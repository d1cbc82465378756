"""Events that code in a test's own process records: as objects and as exact bytes.

It is imported before pytest starts, and asserts nothing: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.spool import Entry


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One event that would have been recorded."""

    name: str
    tool: str
    payload: Mapping[str, Any]
    metadata: Mapping[str, Any]
    body: bytes = field(repr=False)  # Exactly as it would be sent.
    would_be_sent: bool  # Whether its user lets the tool send; else it stays on the machine.


class UsageEvents:
    """What code in this process records, from the start of the test or the last `clear`.

    It is written as ever, by the same code, but into a store of the test's own, and at once.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._cleared: frozenset[str] = frozenset()

    @property
    def events(self) -> list[UsageEvent]:
        """The events, in the order in which they were recorded; asking makes events of counts."""
        return [_read(each) for each in self._entries() if each.uid not in self._cleared]

    @property
    def names(self) -> list[str]:
        """The names of the events."""
        return [event.name for event in self.events]

    @property
    def bodies(self) -> list[bytes]:
        """The exact bytes of the events."""
        return [event.body for event in self.events]

    def clear(self) -> None:
        """Forget what was recorded so far; a tracker goes on in the same session."""
        self._cleared = frozenset(each.uid for each in self._entries())

    def _entries(self) -> list[Entry]:
        from usagectl import spool
        from usagectl.emitting import rehearsal

        rehearsal.flush()
        with spool.open_spool(self._environment, read_only=True) as store:
            return list(store.entries(spool.STATES))


def _read(entry: Entry) -> UsageEvent:
    event = json.loads(entry.body)
    return UsageEvent(
        event["name"],
        entry.tool,
        event["payload"],
        event["metadata"],
        entry.body,
        would_be_sent=bool(entry.consent),
    )


@contextmanager
def recorded(folder: Path, started_in: Path, before: Mapping[str, str]) -> Iterator[UsageEvents]:
    """Rehearse recording in a folder, without what is the person's who runs the tests.

    Their opt-outs stay in the process: other libraries in it obey them.

    Args:
        folder: for settings, policy and spool; empty.
        started_in: where pytest was started: a project file there is no test's.
        before: the variables that pytest was started with.
    """
    from usagectl.emitting import rehearsal
    from usagectl.machine import environment
    from usagectl.tools.instrumented_rules import LIFTED_VARIABLE, NO_VARIABLES

    chosen = {*NO_VARIABLES, LIFTED_VARIABLE, "ANALYTICS_API"}
    with noticing() as noticed:

        def change(found: Environment) -> Environment:
            return found._replace(
                variables=of_test(found.variables, chosen, before=before, noticed=noticed),
                cwd=folder if found.cwd == started_in else found.cwd,
                config_dir=folder / "config",
                state_dir=folder / "state",
                root=folder / "root",
                test_runner="",
            )

        with rehearsal.rehearsed(change):
            yield UsageEvents(environment.from_process())


@contextmanager
def noticing() -> Iterator[set[str]]:
    """Notice the names of variables that are set from now on, to the same value too.

    Whoever sets one by `os.environ`, monkeypatch and runners among them, comes by `os.putenv`.
    """
    noticed: set[str] = set()
    put = os.putenv

    def notice(name: Any, value: Any) -> None:  # noqa: ANN401  (bytes from `os.environ`)
        put(name, value)
        noticed.add(os.fsdecode(name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "putenv", notice)
        yield noticed


def of_test(
    variables: Mapping[str, str],
    chosen: Container[str],
    *,
    before: Mapping[str, str],
    noticed: Container[str],
) -> dict[str, str]:
    """Leave out what whoever runs the tests chose: it is as it was before any test set some.

    Beside the variables that are named that is the one of any program that records through
    usagectl.
    """
    return {
        name: value
        for name, value in variables.items()
        if not (name in chosen or name.endswith("_TELEMETRY"))
        or name in noticed
        or value != before.get(name)
    }
