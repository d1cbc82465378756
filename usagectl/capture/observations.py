"""What a recorder sees beside requests: look-ups, connections, refused certificates, datagrams."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

Kind = Literal["look-up", "connection", "tls-refused", "datagram", "packet"]
"""The kinds: a name that was asked for; a TCP connection or the try of one; a certificate that
the client did not take; UDP other than a look-up; any other packet."""

OTHERS = "(others)"
_MOST_OF_A_KIND = 1000


class Observation(NamedTuple):
    """One thing that was seen; what is seen again is counted."""

    kind: Kind
    host: str  # The name that the address was given out for, else the address; or the name asked.
    address: str = ""  # Where it went, in the form of `ipaddress`; empty for a look-up.
    port: int = 0
    # look-up: the record type. connection: `http/1.1`, `h2`, `tls`, `unknown` (bytes that are no
    # HTTP), `silent` (no byte came), `refused` (nobody listened). tls-refused: the reason.
    detail: str = ""

    @property
    def is_own(self) -> bool:
        """True if it went to the command's own loopback, where only what it started listens."""
        return self.address in ("127.0.0.1", "::1") or self.address.startswith("127.")

    @property
    def text(self) -> str:
        """What was seen, in a line."""
        return f"{self.kind} {self.host} {self.detail}".rstrip()


class Seen(NamedTuple):
    """What was observed, how often, and when first."""

    observation: Observation
    times: int
    first: datetime


class Observations:
    """Observations of one run, counted, with the instant of the first; at most 1,000 of a kind.

    What goes beyond is counted under `(others)`.
    """

    def __init__(self) -> None:
        self._counts: Counter[Observation] = Counter()
        self._first: dict[Observation, datetime] = {}
        self._kinds: Counter[Kind] = Counter()

    def add(self, observed: Observation, *, now: datetime, times: int = 1) -> bool:
        """Count an observation; True if it is the first of its like."""
        is_new = observed not in self._counts
        if is_new:
            if self._kinds[observed.kind] >= _MOST_OF_A_KIND:
                observed = Observation(observed.kind, OTHERS)
            else:
                self._kinds[observed.kind] += 1
            self._first.setdefault(observed, now)
        self._counts[observed] += times
        return is_new and observed.host != OTHERS

    def __iter__(self) -> Iterator[Seen]:
        """Yield each observation, the oldest first."""
        for observed, first in self._first.items():
            yield Seen(observed, self._counts[observed], first)

    def count(self, *kinds: Kind) -> int:
        """Return how many there were of these kinds; of all without one."""
        return sum(n for each, n in self._counts.items() if not kinds or each.kind in kinds)
