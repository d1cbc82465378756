"""The whole answer of `status`: verdicts, machine IDs, folders, spool, surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.consent import evaluate
from usagectl.errors import count_of
from usagectl.identity import folder_of, read_all
from usagectl.machine.environment import is_ci, is_container
from usagectl.settings import OWN_NAME
from usagectl.spool import state as spool_state
from usagectl.tools.base import Caution
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.identity import MachineId
    from usagectl.machine.environment import Environment
    from usagectl.spool import SpoolState
    from usagectl.tools.base import Source, Telemetry


class Report(Value):
    """Everything that `status` shows."""

    consents: tuple[Consent, ...]  # One verdict a tool part.
    machine_ids: tuple[MachineId, ...]  # What every place holds.
    cache_dir: tuple[Path, Source]  # The folder of LocalStack's ID, and what chose it.
    is_ci: bool  # Whether a CI service runs this.
    is_docker: bool  # Whether this runs in a container.
    system: str  # The operating system's name.
    spool: SpoolState  # The size of the queue.


def collect(
    environment: Environment, names: Sequence[str] = (), *, everything: bool = False
) -> Report:
    """Collect the status of the tools that are here, of the named ones, or of all that are known.

    Asks nobody and writes nothing.

    Raises:
        UnknownToolError: no tool goes by one of the names.
    """
    queue = spool_state(environment)
    machine_ids = read_all(environment)
    judged = evaluate(environment, names, everything=everything, only_here=not everything)
    return Report(
        consents=tuple(with_cautions(environment, found, queue) for found in judged),
        machine_ids=machine_ids,
        cache_dir=folder_of([mid.place for mid in machine_ids]),
        is_ci=is_ci(environment),
        is_docker=is_container(environment),
        system=environment.system,
        spool=queue,
    )


def with_cautions(environment: Environment, found: Consent, queue: SpoolState) -> Consent:
    """Add to the verdict on a tool of ours what keeps its events from being kept or sent."""
    if not found.is_ours:
        return found
    about_spool = _spool_cautions(found, queue) if found.tool == OWN_NAME else ()
    more = (*about_spool, *_pause_cautions(environment, found))
    return found._replace(cautions=(*found.cautions, *more))


def _spool_cautions(found: Consent, queue: SpoolState) -> Iterator[Caution]:
    """Warn of a spool that cannot be read or written, and of events that were lost."""
    if queue.path is None:
        return
    unwritable = queue.unwritable if found.telemetry != "off" else ""
    if problem := queue.problem or unwritable:
        code = "spool-unreadable" if queue.problem else "spool-unwritable"
        yield Caution(code, problem, queue.hint)
    if queue.losses.total:
        events = count_of(queue.losses.total, "event was", "events were")
        message = f"{events} lost; the spool was full or too old, or the disk took nothing."
        yield Caution("events-lost", message, "usagectl spool")


def _pause_cautions(environment: Environment, found: Consent) -> Iterator[Caution]:
    """Warn that automatic sending rests, and say until when."""
    if found.telemetry != "on":
        return
    from usagectl.delivery import sender  # few let usagectl send

    pause = sender.read_pause(environment, found.tool)
    if pause is None:
        return
    times = "once" if pause.failures == 1 else f"{pause.failures} times"
    message = (
        f"Sending failed {times} ({pause.reason}) and rests until {pause.until.isoformat()}; "
        "events wait in the spool."
    )
    hint = "usagectl replay" + (f" --tool {found.tool}" if found.tool != OWN_NAME else "")
    yield Caution("sending-paused", message, hint)


def offending(
    consents: Sequence[Consent], expected: Telemetry, names: Sequence[str] = ()
) -> tuple[Consent, ...]:
    """List the parts that are louder than expected, of tools that are here or were named.

    `off` wants every part off; `local` wants that nothing is sent: what is not known is louder
    than both. What usagectl records here by default, and sends to nobody, is no offence unless
    it was named.
    """
    fine = ("off",) if expected == "off" else ("off", "local")
    return tuple(
        found
        for found in consents
        if found.counts and found.telemetry not in fine and not _is_own_default(found, names)
    )


def _is_own_default(found: Consent, names: Sequence[str]) -> bool:
    is_default = found.telemetry == "local" and found.decided_by.source == "default"
    return is_default and found.tool == OWN_NAME and OWN_NAME not in names
