"""Own which IDs stand in CLI events and in others, as far as a bound goes.

Only hashes of IDs are kept, so that neither many IDs nor long ones cost much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.audit.patterns import MACHINE_ID, is_uuid

if TYPE_CHECKING:
    from usagectl.audit.findings import Ledger

CLI = "cli_cmd"
_MOST_IDS = 65_536
_MOST_PLACES = 1024
_SHORTEST = 8
_LONGEST = 128


class _Recent:
    """Remember a number of what was noted last: at least the bound, at most twice as many."""

    def __init__(self) -> None:
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def get(self, key: int) -> int | None:
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: int, number: int) -> None:
        if len(self._new) >= _MOST_IDS:
            self._old, self._new = self._new, {}
        self._new[key] = number

    def take(self, key: int) -> int | None:
        newer, older = self._new.pop(key, None), self._old.pop(key, None)
        return older if newer is None else newer


class SharedIds:
    """Notice when an ID of a CLI event stands in another event, whichever comes first.

    Attributes:
        seen: how many IDs were noted.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.seen = 0
        self._ledger = ledger
        self._others = _Recent()
        self._first = _Recent()
        """Of an ID in CLI events the line and the place where it stood first, in one number."""
        self._again = _Recent()
        """How many times it stood in one again."""
        self._numbers = {"*": 0}
        """The number of each place, in their order."""

    def see(self, event: str, pointer: str, text: str) -> bool:
        """Take notice of a text; tell whether it is an ID."""
        if not _SHORTEST <= len(text) <= _LONGEST or not text.strip("*"):
            return False
        if event != CLI:
            self._see_elsewhere(hash(text))
        elif is_uuid(text) or MACHINE_ID.fullmatch(text) or text.startswith("ls-"):
            self._see_in_cli(hash(text), pointer)
        else:
            return False
        self.seen += 1
        return True

    def _see_in_cli(self, key: int, pointer: str) -> None:
        if self._others.get(key) is not None:
            self._ledger.add("UC202", CLI, pointer)
            return
        first = self._first.get(key)
        if first is None:
            first = self._ledger.line * _MOST_PLACES + self._number_of(pointer)
        else:
            self._again.put(key, (self._again.get(key) or 0) + 1)
        self._first.put(key, first)

    def _number_of(self, pointer: str) -> int:
        if len(self._numbers) < _MOST_PLACES:
            return self._numbers.setdefault(pointer, len(self._numbers))
        return self._numbers.get(pointer, 0)

    def _see_elsewhere(self, key: int) -> None:
        if self._others.get(key) is not None:
            return
        self._others.put(key, 1)
        first = self._first.take(key)
        if first is not None:
            line, number = divmod(first, _MOST_PLACES)
            tally = self._ledger.tally("UC202", CLI, list(self._numbers)[number])
            here, self._ledger.line = self._ledger.line, line
            self._ledger.count(tally, times=1 + (self._again.take(key) or 0))
            self._ledger.line = here
