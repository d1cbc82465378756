"""Permission of a program to record its events, and what goes with it.

A program that may record is registered, so that usagectl can list and switch it; it
has a machine ID of its own, and what it recorded is sent.
Nothing here raises, prints or waits for a network: it serves the programs of others
(design, rule 2.4).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from usagectl.errors import InvalidValueError, UsagectlError
from usagectl.machine import environment as surroundings
from usagectl.machine import files
from usagectl.settings import OWN_NAME
from usagectl.terms import OFF_FILE, Terms, check, merged
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Wish
    from usagectl.tools.instrumented import Registration


_terms_here: dict[str, Terms] = {}
"""By tool: what this process declares; a tracker does not say again what `instrument` was told."""


class Emitter(Value):
    """What a program that records its events says about itself."""

    name: str  # The tool's name, as a person types it.
    version: str = ""  # Its version.
    endpoint: str = ""  # The base URL that its author declares; empty: nothing is sent by itself.
    kinds: tuple[Kind, ...] = ()  # The event kinds that it declares.
    program: str = ""  # The file that is run; empty when it is not known.
    is_testing: bool = False  # Whether its author wants it to record in tests too.
    delivers: bool = True  # Whether it can start the process that sends.
    terms: Terms = Terms()  # What its author and its distributor settle.
    option: str = ""  # The option with which nothing of a run is recorded; empty without one.
    members: tuple[str, ...] = ()  # What it adds to its `cli_cmd` events: `record.CLI_MEMBERS`.


class Permit(Value):
    """Permission to record events."""

    verdict: Consent  # Of the tool's switches.
    consent: str  # Under which consent to send they are recorded; empty: they stay here.


def permit(environment: Environment, emitter: Emitter) -> Permit | None:
    """Ask whether a program may record, and register it if so; None when it is off."""
    from usagectl.consent import sending_consent  # help and version need none
    from usagectl.tools import instrumented

    try:
        verdict = verdict_of(environment, emitter)
        if verdict.telemetry == "off":
            return None
        with suppress(UsagectlError):  # A program that cannot be listed may still record.
            instrumented.register(environment, registration_of(emitter))
        return Permit(verdict, sending_consent(environment, verdict))
    except (UsagectlError, OSError):
        return None


def emitter_of(environment: Environment, name: str) -> Emitter:
    """Return what a tool registered itself as, or its name alone if it never did.

    Raises:
        InvalidValueError: the name is invalid.
    """
    from usagectl.tools import instrumented  # help and version need none

    found = instrumented.read(environment, instrumented.validate_name(name))
    if found is None:
        return Emitter(name)
    emitter = Emitter(name, found.version, found.endpoint, found.kinds, found.program)
    return emitter._replace(delivers=found.delivers, terms=found.terms)


def emitter_here(
    name: str,
    version: str,
    endpoint: str,
    kinds: Sequence[Kind],
    *,
    is_testing: bool,
    terms: Terms = Terms(),  # noqa: B008  (a value: nobody can change it)
    members: Sequence[str] = (),
) -> Emitter:
    """Return what the program that runs here says about itself.

    Raises:
        InvalidValueError: the name, the version, the endpoint or a term is invalid, or there is no
            member of that name.
        InvalidKindError: a kind cannot be declared, or two have one name.
    """
    from usagectl.delivery import frozen  # usagectl itself never asks
    from usagectl.endpoint import check_declared  # help and version need none
    from usagectl.tools.instrumented import validate_name, validate_version

    if name == OWN_NAME:  # Its events would count as ours, under what the user told us.
        raise InvalidValueError("tool name", name, wanted="it is usagectl's own; use another name")
    validate_name(name)
    terms = check(terms._replace(off_file=off_file()))
    _terms_here[name] = merged(terms, _terms_here.get(name, terms))
    version = validate_version(version)
    check_declared(endpoint)
    if kinds != ():
        from usagectl.events import kinds as declared_kinds  # few command lines declare any

        kinds = declared_kinds.of_author(name, kinds)
        declared_kinds.refuse_twins(kinds)
    # Of a test the program is the test runner.
    found = "" if is_testing else program()
    delivers = frozen.can_start_child()
    added = _members(members)
    told = (name, version, endpoint, tuple(kinds), found, is_testing, delivers)
    return Emitter(*told, terms=terms, members=added)


def _members(names: Sequence[str]) -> tuple[str, ...]:
    """Put names of members into the notice's order.

    Raises:
        InvalidValueError: there is no member of that name.
    """
    if not names:
        return ()
    from usagectl.events.record import CLI_MEMBERS  # few programs ask for any

    given = [names] if isinstance(names, str) else names
    unknown = [each for each in given if each not in CLI_MEMBERS]
    if unknown or given is not names:
        wanted = f"use a sequence of {', '.join(CLI_MEMBERS)}"
        raise InvalidValueError("member of cli_cmd", str((unknown or given)[0]), wanted=wanted)
    return tuple(each for each in CLI_MEMBERS if each in names)


def verdict_of(environment: Environment, emitter: Emitter) -> Consent:
    """Return the verdict of a program's switches; register nothing.

    What the program does not say of its tool, others of the same name may have said before.

    Raises:
        InvalidValueError: the name is invalid.
    """
    from usagectl import consent
    from usagectl.tools import instrumented

    if emitter.is_testing:
        environment = environment._replace(test_runner="")
    merged = instrumented.merge(environment, registration_of(emitter))
    return consent.of_emitter(environment, merged)


def registration_of(emitter: Emitter) -> Registration:
    """Return what is written about a program, so that usagectl can list and switch it.

    Raises:
        InvalidValueError: the name is invalid.
    """
    from usagectl.tools.instrumented import Registration, validate_name

    name, version, endpoint, kinds, program, _, delivers, terms, _, members = emitter
    schemas = tuple(kind.schema(name) for kind in kinds)
    terms = merged(terms, _terms_here.get(name, terms))
    found = Registration(validate_name(name), version, endpoint, program, schemas)
    return found._replace(delivers=delivers, terms=terms, members=members)


def decide(environment: Environment, emitter: Emitter, wish: Wish) -> None:
    """Switch a program as its user wants it; it is registered, so that usagectl knows it too.

    Raises:
        StateError: it cannot be registered, or the settings cannot be written.
    """
    from usagectl.tools import instrumented

    registration = registration_of(emitter)
    instrumented.register(environment, registration)
    whole = instrumented.merge(environment, registration)
    instrumented.Instrumented(whole).switch(environment, wish, dry_run=False)


def off_file() -> str:
    """Return the path of the distributor's file: beside the package of whoever called us.

    Of a module that belongs to no package it lies beside the module.
    """
    from pathlib import Path

    ours = __name__.partition(".")[0]
    frame = sys._getframe()  # noqa: SLF001  (the module `inspect` would read sources)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == ours:
        frame = frame.f_back
    caller = frame.f_globals
    package = sys.modules.get((caller.get("__package__") or "").partition(".")[0])
    file = getattr(package, "__file__", None) or caller.get("__file__")
    return str(Path(file).absolute().with_name(OFF_FILE)) if file else ""


def program() -> str:
    """Return the path of the script that runs; empty where no file is run."""
    from pathlib import Path

    name = getattr(sys.modules.get("__main__"), "__file__", None) or sys.argv[0]
    try:
        return str(Path(name).resolve()) if name and Path(name).exists() else ""
    except OSError:
        return ""


def deliver(environment: Environment, given: Permit) -> None:
    """Start the process that sends, if one is due; the caller never waits for it."""
    if given.consent and not surroundings.is_rehearsed():
        from usagectl.delivery import sender  # only with sending on

        sender.start_if_due(environment, given.verdict)


def machine_id(environment: Environment, emitter: Emitter, *, keep: bool = True) -> str:
    """Return the tool's own random machine ID, made on first need and then kept.

    usagectl itself keeps none. For it, where the ID cannot be kept, and with `keep` false,
    each call draws another.
    """
    from usagectl import identity
    from usagectl.tools.base import new_random_id
    from usagectl.tools.instrumented import identity_file

    drawn, folder = f"gen_{new_random_id(environment)}", environment.state_dir
    if emitter.name == OWN_NAME or folder is None:
        return drawn
    place = identity_file(folder, emitter.name)
    kept = identity.read(place).value
    if isinstance(kept, str) and kept:
        return kept
    return _keep(folder, place.path, drawn) if keep else drawn


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
