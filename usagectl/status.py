"""Own the whole answer of `status`: verdicts, identity, folders, spool, surroundings."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from usagectl import consent, identity, spool
from usagectl.errors import count_of
from usagectl.machine import environment as surroundings
from usagectl.tools import instrumented
from usagectl.tools.base import Caution

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.identity import MachineId
    from usagectl.machine.environment import Environment
    from usagectl.spool import SpoolState
    from usagectl.tools.base import Source, Telemetry

NOT_COVERED: tuple[str, ...] = (
    "Licence activation: LocalStack posts the token and the machine ID to its licence API, "
    "whatever any switch says; the notice says so too.",
    "The machine ID: `localstack start` makes machine.json, and mounts it into the container, "
    "also when events are off.",
    "A container that was not started by LocalStack's own command line, such as one of Docker "
    "Compose: it sees only the variables that its own configuration gives it.",
)
"""What no opt-out reaches (the notice; facts, parts 3.12, 3.15 and 5)."""


class Report(NamedTuple):
    """Hold everything that `status` shows.

    Attributes:
        consents: one verdict a tool part.
        machine_ids: what every place holds.
        cache_dir: the folder of LocalStack's ID, and what chose it.
        is_ci: whether a CI service runs this.
        is_docker: whether this runs in a container.
        system: the operating system's name.
        spool: the size of the queue.
    """

    consents: tuple[Consent, ...]
    machine_ids: tuple[MachineId, ...]
    cache_dir: tuple[Path, Source]
    is_ci: bool
    is_docker: bool
    system: str
    spool: SpoolState


def machine_id_of(found: Consent, machine_ids: Sequence[MachineId]) -> MachineId | None:
    """Return the ID that a tool part uses, None for a tool without one.

    LocalStack mounts the command line's file into the container over the volume's.
    """
    same = [mid for mid in machine_ids if mid.place.tool == found.tool]
    mounted = [mid for mid in same if mid.place.part == "cli" and mid.exists]
    if found.tool == "localstack" and mounted:
        return mounted[0]
    own = [mid for mid in same if mid.place.part == found.part]
    return next((mid for mid in own if mid.exists), next(iter(own), None))


def collect(environment: Environment) -> Report:
    """Collect the whole status; opens no socket, runs no program, writes nothing."""
    queue = spool.state(environment)
    consents = consent.evaluate(environment)
    machine_ids = identity.read_all(environment)
    return Report(
        consents=tuple(
            _with_pause(environment, _with_spool_problem(found, queue)) for found in consents
        ),
        machine_ids=machine_ids,
        cache_dir=identity.folder_of([mid.place for mid in machine_ids]),
        is_ci=surroundings.is_ci(environment),
        is_docker=surroundings.is_container(environment),
        system=environment.system,
        spool=queue,
    )


def _with_spool_problem(found: Consent, queue: SpoolState) -> Consent:
    """Say beside usagectl's own verdict what keeps its events from being kept, counted or sent."""
    if found.tool != instrumented.NAME or queue.path is None:
        return found
    cautions = list(found.cautions)
    hint = f"ls -la {quote(str(queue.path.parent))}"
    if queue.problem:
        cautions.append(Caution("spool-unreadable", queue.problem, hint))
    elif queue.unwritable and found.telemetry != "off":
        cautions.append(Caution("spool-unwritable", queue.unwritable, hint))
    if queue.losses.total:
        events = count_of(queue.losses.total, "event was", "events were")
        message = f"{events} lost; the spool was full or too old, or the disk took nothing."
        cautions.append(Caution("events-lost", message, "usagectl spool"))
    return found._replace(cautions=tuple(cautions))


def _with_pause(environment: Environment, found: Consent) -> Consent:
    """Say beside the verdict of a tool that automatic sending rests, and until when."""
    if found.tool in ("localstack", "lstk") or found.telemetry != "on":
        return found
    from usagectl.delivery import sender  # few let usagectl send

    pause = sender.read_pause(environment, found.tool)
    if pause is None:
        return found
    times = "once" if pause.failures == 1 else f"{pause.failures} times"
    message = (
        f"Sending failed {times} ({pause.reason}) and rests until {pause.until.isoformat()}; "
        "events wait in the spool."
    )
    hint = "usagectl replay" + (f" --tool {found.tool}" if found.tool != instrumented.NAME else "")
    caution = Caution("sending-paused", message, hint)
    return found._replace(cautions=(*found.cautions, caution))


def offending(consents: tuple[Consent, ...], expected: Telemetry) -> tuple[Consent, ...]:
    """List the counting parts that are louder than expected.

    `off` wants every part off; `local` wants that nothing is sent.
    """
    fine = ("off",) if expected == "off" else ("off", "local")
    return tuple(found for found in consents if found.counts and found.telemetry not in fine)
