"""Own the audit: events laid against the notice, and searched for what must not leave the machine.

`rules` names what can be found, `context` what to look for on this machine, `tree` and
`checks` find it, `reading` reads events from streams, `baseline` and `sarif` work on
the outcome. Nothing here prints, and no value to look for is ever part of an outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.audit import reading
from usagectl.audit.auditor import Auditor, AuditResult
from usagectl.audit.context import Context
from usagectl.audit.findings import Finding, Known, Suppression
from usagectl.audit.rules import LEVELS, RULES, Level, Rule, UnknownRuleError, select
from usagectl.machine import paths
from usagectl.spool import purging
from usagectl.spool import reading as spool_reading

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from typing import BinaryIO

    from usagectl.machine.environment import Environment
    from usagectl.spool.purging import State

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

    reading.feed(auditor, reading.pieces_of(source), after=note)
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
        SpoolUnwritableError: its folder cannot be listed.
        FileUnreadableError: a part of it cannot be read.
    """
    auditor = Auditor(context, shows_values=shows_values, only=only)
    folder = paths.spool_dir(environment)
    read = 0
    if folder is None:
        return auditor.result()
    for state in states:
        for segment in spool_reading.list_segments(purging.folder_of(folder, state)):
            for block in spool_reading.blocks(segment):
                reading.feed_block(auditor, reading.block_of(0, block))
                read += len(block)
                if on_progress is not None:
                    on_progress(auditor.events, read)
    return auditor.result()
