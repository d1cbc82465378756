"""Own which IDs stand in CLI events and in others, as far as a bound goes.

Only hashes of IDs are kept, so that neither many IDs nor long ones cost much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from usagectl.audit.shapes import MACHINE_ID, is_uuid

if TYPE_CHECKING:
    from usagectl.audit.findings import Ledger

Value = TypeVar("Value")

CLI = "cli_cmd"
_MOST_IDS = 65_536
_SHORTEST = 8
_LONGEST = 128


class _Recent(Generic[Value]):
    """Remember what was noted last: at least the bound, at most twice as many."""

    def __init__(self) -> None:
        self._new: dict[int, Value] = {}
        self._old: dict[int, Value] = {}

    def get(self, key: int) -> Value | None:
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: int, value: Value) -> None:
        if len(self._new) >= _MOST_IDS:
            self._old, self._new = self._new, {}
        self._new[key] = value

    def forget(self, key: int) -> None:
        self._new.pop(key, None)
        self._old.pop(key, None)


class SharedIds:
    """Notice when an ID of a CLI event stands in another event, whichever comes first."""

    def __init__(self, ledger: Ledger) -> None:
        self.seen = 0
        self._ledger = ledger
        self._cli: _Recent[tuple[str, int, int]] = _Recent()
        self._others: _Recent[str] = _Recent()

    def see(self, event: str, pointer: str, text: str) -> bool:
        """Take notice of a text; tell whether it is an ID."""
        if not _SHORTEST <= len(text) <= _LONGEST or not text.strip("*"):
            return False
        if event != CLI:
            self._see_elsewhere(hash(text), event)
        elif is_uuid(text) or MACHINE_ID.fullmatch(text) or text.startswith("ls-"):
            self._see_in_cli(hash(text), pointer)
        else:
            return False
        self.seen += 1
        return True

    def _see_in_cli(self, key: int, pointer: str) -> None:
        if self._others.get(key):
            self._ledger.add("UC202", CLI, pointer)
            return
        place, line, count = self._cli.get(key) or (pointer, self._ledger.line, 0)
        self._cli.put(key, (place, line, count + 1))

    def _see_elsewhere(self, key: int, event: str) -> None:
        if self._others.get(key):
            return
        self._others.put(key, event)
        seen = self._cli.get(key)
        if seen is not None:
            self._cli.forget(key)
            place, line, count = seen
            tally = self._ledger.tally("UC202", CLI, place)
            here, self._ledger.line = self._ledger.line, line
            self._ledger.count(tally, times=count)
            self._ledger.line = here
