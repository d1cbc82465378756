"""Own how a program comes to record its events through usagectl.

It asks here whether it may, is registered on the way so that usagectl can list
and switch it, and has what it recorded sent. None of it ever raises, prints or
waits for a network: it serves programs of others (design, rule 2.4).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import UsagectlError
from usagectl.machine import files
from usagectl.settings import OWN_NAME
from usagectl.tools import registry

if TYPE_CHECKING:
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment


class Emitter(NamedTuple):
    """Hold what a program that records its events says about itself.

    Attributes:
        name: the tool's name, as a person types it.
        version: its version.
        endpoint: the base URL that its author declares; empty: nothing is sent by itself.
        kinds: the event kinds that it declares.
        program: the file that is run; empty when it is not known.
    """

    name: str
    version: str = ""
    endpoint: str = ""
    kinds: tuple[Kind, ...] = ()
    program: str = ""


class Permit(NamedTuple):
    """Hold that events may be recorded, and under which consent.

    Attributes:
        verdict: of the tool's switches.
        consent: under which consent to send they are recorded; empty: they stay here.
    """

    verdict: Consent
    consent: str


def permit(environment: Environment, emitter: Emitter) -> Permit | None:
    """Ask whether a program may record, and register it if so; None when it is off."""
    from usagectl import consent  # help and version need none

    try:
        registration = _registration_of(environment, emitter)
        verdict = consent.of_emitter(environment, registration)
        if verdict.telemetry == "off":
            return None
        if emitter.name != OWN_NAME:
            _register(environment, registration)
        return Permit(verdict, consent.sending_consent(environment, verdict))
    except (UsagectlError, OSError):
        return None


def emitter_of(environment: Environment, name: str) -> Emitter:
    """Return what a tool registered itself as; one that never did is known by its name alone.

    Raises:
        InvalidValueError: its name is none.
    """
    found = registry.read(environment, registry.validate_name(name))
    if found is None:
        return Emitter(name)
    return Emitter(name, found.version, found.endpoint, found.kinds, found.program)


def verdict_of(environment: Environment, emitter: Emitter) -> Consent:
    """Give the verdict of a program's switches; registers nothing.

    Raises:
        InvalidValueError: its name is none.
    """
    from usagectl import consent

    return consent.of_emitter(environment, _registration_of(environment, emitter))


def _registration_of(environment: Environment, emitter: Emitter) -> registry.Registration:
    """Say what is known of a program's tool: by itself, and by others of the same name."""
    own = registry.Registration(
        registry.validate_name(emitter.name),
        emitter.version,
        emitter.endpoint,
        emitter.program,
        tuple(kind.schema(emitter.name) for kind in emitter.kinds),
    )
    return registry.merge(environment, own)


def _register(environment: Environment, registration: registry.Registration) -> None:
    """Write what the program says about itself; one that cannot be listed may still record."""
    try:
        registry.register(environment, registration)
    except UsagectlError:
        return


def program() -> str:
    """Name the file that is run: the script of this process, where there is one."""
    from pathlib import Path

    name = getattr(sys.modules.get("__main__"), "__file__", None) or sys.argv[0]
    try:
        return str(Path(name).resolve()) if name and Path(name).exists() else ""
    except OSError:
        return ""


def deliver(environment: Environment, given: Permit) -> None:
    """Start the process that sends, if one is due; the caller never waits for it."""
    if given.consent:
        from usagectl.delivery import sender  # only with sending on

        sender.start_if_due(environment, given.verdict)


def machine_id(environment: Environment, emitter: Emitter, *, keep: bool = True) -> str:
    """Return the tool's own random machine ID, made on first need and then kept.

    usagectl keeps none: for it, where nothing can be kept, and where nothing is to be kept
    (`keep`), each call draws another.
    """
    from usagectl import identity
    from usagectl.tools.base import new_random_id
    from usagectl.tools.instrumented import identity_file

    drawn = f"gen_{new_random_id(environment)}"
    if emitter.name == OWN_NAME or environment.state_dir is None:
        return drawn
    place = identity_file(environment.state_dir, emitter.name)
    found = identity.read(place)
    if isinstance(found.value, str) and found.value:
        return found.value
    return _keep(environment.state_dir, place.path, drawn) if keep else drawn


def _keep(state_dir: Path, file: Path, drawn: str) -> str:
    """Keep an ID; where another process was faster, its ID holds for both."""
    import json

    try:
        with files.lock(state_dir, seconds=1):
            stored = files.read_bytes(file)
            if stored:
                return str(json.loads(stored)["machine_id"])
            files.replace_bytes(file, json.dumps({"machine_id": drawn}).encode())
    except (UsagectlError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return drawn
    return drawn
