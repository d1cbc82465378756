"""Own what a check gives back: passed, failed or not proved, and why."""

from __future__ import annotations

from typing import Literal, NamedTuple

Outcome = Literal["passed", "failed", "not-proved"]


class Result(NamedTuple):
    """Hold what one check found.

    Attributes:
        name: which rule, switch or answer, and command line; stable for one spec.
        outcome: `not-proved`: nothing was found wrong, and nothing could have been.
        expected: the rule, as a sentence.
        found: what was found, as a sentence.
        evidence: what it rests on, line by line.
    """

    name: str
    outcome: Outcome
    expected: str
    found: str
    evidence: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Put it into lines that a person reads."""
        head = f"{self.outcome}: {self.name}"
        lines = (f"  expected: {self.expected}", f"  found: {self.found}")
        return "\n".join([head, *lines, *(f"    {line}" for line in self.evidence)])


class Report(NamedTuple):
    """Hold every result, in the order of the checks."""

    results: tuple[Result, ...]

    @property
    def is_passed(self) -> bool:
        """Tell whether every check passed; what is not proved did not."""
        return all(each.outcome == "passed" for each in self.results)

    def names(self, outcome: Outcome) -> tuple[str, ...]:
        """List the names of the checks that ended so."""
        return tuple(each.name for each in self.results if each.outcome == outcome)
