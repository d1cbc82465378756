"""Own the counting of one period, and the events that the counts become.

It must not know what is counted: a form and an item are text.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from usagectl.emitting.ledger import files
from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from usagectl.machine.environment import Environment


CELLS = 1024
"""How many combinations one ledger counts."""

CELL_BYTES = 8 * CELLS


class Form(NamedTuple):
    """Hold what surrounds the counts in an event, as text.

    Attributes:
        kind: the event's name.
        opening: what stands before the time.
        middle: what stands between the time and the first count.
        closing: what stands after the last.
    """

    kind: str
    opening: str
    middle: str
    closing: str


class LedgerFullError(UsagectlError):
    """Tell that a ledger has no counter left for a new combination."""

    code = "ledger-full"

    def __init__(self) -> None:
        super().__init__(f"A ledger counts {CELLS} combinations.")


class Ledger:
    """Count combinations of one tool, recorded under one consent, for one period.

    Whoever counts guards it with a lock. Its counters are in a file where there
    is a place for one, else in the memory of the process.

    Attributes:
        cells: the counters; `enter` may put others in their place.
        tool: whose events they become.
        consent: under which consent to send they are recorded.
    """

    def __init__(self, environment: Environment, tool: str, consent: str) -> None:
        self.tool = tool
        self.consent = consent
        self.cells: array[int] | memoryview[int] = array("Q", bytes(CELL_BYTES))
        self._items: list[tuple[Form, str]] = []
        self._file = files.make(environment, files.head_of(environment, tool, consent))
        if self._file is not None:
            self.cells = self._file.view(0, CELL_BYTES, "Q")

    @property
    def is_kept(self) -> bool:
        """Tell whether the counts outlive the process."""
        return self._file is not None

    def enter(self, form: Form, item: str) -> int:
        """Give a combination its counter, in which nothing is counted yet.

        Args:
            form: of the event that it is counted for.
            item: the combination's own text in that event, up to the number.

        Raises:
            LedgerFullError: no counter is left.
        """
        slot = len(self._items)
        if slot == CELLS:
            raise LedgerFullError
        if self._file is not None and not self._file.append([*form, item]):
            # It can say no more what is counted: go on in memory.
            self.cells = array("Q", self.cells)
            self.remove()
        self._items.append((form, item))
        return slot

    def settle(self, time: str) -> list[tuple[str, bytes]]:
        """Give the events of what was counted, each after its name; nothing more is counted.

        The time is noted first. The same counts and time make the same bytes, so that
        whoever finds the ledger after a kill can see whether the spool has them.
        """
        if self._file is not None:
            self._file.append({"time": time})
        return build_events(self._items, self.cells, time)

    def remove(self) -> None:
        """Remove the file: its events are in the spool, or nobody wants them."""
        file, self._file = self._file, None
        if file is not None:
            file.remove()

    def abandon(self) -> None:
        """Let go of the file and leave it: after a fork it is the parent's."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def build_events(
    items: Sequence[tuple[Form, str]], cells: Iterable[int], time: str
) -> list[tuple[str, bytes]]:
    """Build one event for each form, in the order in which they came up."""
    counted: dict[Form, list[str]] = {}
    for (form, item), count in zip(items, cells, strict=False):
        if count:
            counted.setdefault(form, []).append(f"{item}{count}}}")
    return [
        (form.kind, f"{form.opening}{time}{form.middle}{','.join(found)}{form.closing}".encode())
        for form, found in counted.items()
    ]
