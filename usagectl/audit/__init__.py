"""Own the audit: events laid against the notice, and searched for what must not leave the machine.

`rules` names what can be found, `context` what to look for on this machine, `tree` and
`checks` find it, `forms` reads events from streams, `suppression` and `sarif` work on
the outcome. Nothing here prints, and no value to look for is ever part of an outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.audit import forms
from usagectl.audit.auditor import Auditor, AuditResult
from usagectl.audit.context import Context
from usagectl.audit.findings import Finding, Known, Suppression
from usagectl.audit.rules import LEVELS, RULES, Level, Rule
from usagectl.audit.selection import UnknownRuleError, select
from usagectl.spool import open_spool

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from typing import BinaryIO

    from usagectl.machine.environment import Environment
    from usagectl.spool import State

__all__ = [
    "LEVELS",
    "RULES",
    "AuditResult",
    "Auditor",
    "Context",
    "Finding",
    "Known",
    "Level",
    "Rule",
    "Suppression",
    "UnknownRuleError",
    "audit_spool",
    "audit_stream",
    "select",
]


def audit_stream(
    source: BinaryIO | Iterable[bytes],
    *,
    context: Context,
    shows_values: bool = False,
    only: Container[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> AuditResult:
    """Audit everything that a stream, or an iterable of pieces of bytes, holds.

    Lines are records of the spool or of a capture, plain events, or bodies
    `{"events": […]}`; a document may be set out over many lines.

    Args:
        source: where the bytes come from; it is read once, and not closed.
        context: the values of this machine to look for.
        shows_values: whether examples are whole instead of masked.
        only: IDs of the rules that count; None: all.
        on_progress: told now and then how many events and bytes are done.

    Raises:
        OSError: the stream broke off.
    """
    auditor = Auditor(context, shows_values=shows_values, only=only)
    read = 0

    def note(size: int) -> None:
        nonlocal read
        read += size
        if on_progress is not None:
            on_progress(auditor.events, read)

    forms.feed(auditor, forms.pieces_of(source), after=note)
    return auditor.result()


def audit_spool(
    environment: Environment,
    *,
    context: Context,
    states: Sequence[State] = ("pending", "sent", "rejected"),
    shows_values: bool = False,
    only: Container[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> AuditResult:
    """Audit what waits in the spool, and what was sent or refused; the spool stays as it is.

    Raises:
        FileUnreadableError: it cannot be read.
    """
    auditor = Auditor(context, shows_values=shows_values, only=only)
    read = 0
    with open_spool(environment, read_only=True) as store:
        for entry in store.entries(states):
            forms.feed_block(auditor, forms.block_of(0, entry.line))
            read += entry.size
            if on_progress is not None:
                on_progress(auditor.events, read)
    return auditor.result()
