"""Tools that record their events through usagectl, usagectl itself among them.

A program writes a small file about itself when it first records, so that usagectl can
list, preview and switch it. People can edit the file: one that cannot be understood
stands for a tool without an endpoint.

A consent to send holds for the endpoint that the program named then: another one asks again.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import catalogue, settings
from usagectl.endpoint import MOST_CHARACTERS, complete, otlp_of
from usagectl.errors import (
    FileCorruptError,
    FileUnreadableError,
    FileUnwritableError,
    InvalidValueError,
)
from usagectl.machine import files, owners
from usagectl.terms import MOST_OF_EACH, Terms, merged
from usagectl.tools import instrumented_rules as rules
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Change,
    IdentityFile,
    Installation,
    PartReading,
    Source,
    Tool,
    exists,
    files_ending,
    find_executable,
)
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from usagectl.catalogue.entry import Entry
    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment
    from usagectl.notice import Declaration
    from usagectl.settings import DeliveryFormat, SettingsFile
    from usagectl.tools.base import Wish

NAME = settings.OWN_NAME

NAME_PATTERN = r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*"
NAME_LENGTH = 64
TAKEN = ("localstack", "lstk", NAME)
"""Tools that usagectl knows by itself; no program can register as one."""

_SUFFIX = ".json"
_MOST_CHARACTERS = {"version": 400, "endpoint": MOST_CHARACTERS, "program": 4096}
_MOST_OF_ALL = {**_MOST_CHARACTERS, **MOST_OF_EACH}
"""How long each text may be, since it is shown; 4096 is the longest path on Linux."""

_MOST_KINDS = 256
_MOST_BYTES = 1024 * 1024

_MODES: Mapping[Wish, settings.Mode | None] = {"off": "off", "on": "on", "undo": None}


class Registration(Value):
    """What a program says about itself."""

    name: str  # The tool, as a person types it.
    version: str = ""  # Its version; empty when it names none.
    endpoint: str = ""  # The base URL its author declares; empty: nothing is sent by itself.
    program: str = ""  # The file that was run; empty when it is not known.
    schemas: tuple[Mapping[str, object], ...] = ()  # Its event kinds, as the notice's data.
    problem: str = ""  # A sentence when its file cannot be read or understood, else empty.
    delivers: bool = True  # Whether its program can start the process that sends.
    terms: Terms = Terms()  # What its author and its distributor settle.
    members: tuple[str, ...] = ()  # What it adds to its `cli_cmd` events.

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Declared kinds; those that cannot be understood are left out."""
        from usagectl.events import kinds  # few commands ask

        found = []
        for schema in self.schemas:
            with suppress(kinds.InvalidKindError):
                found.append(kinds.from_schema(schema))
        return tuple(found)


class Address(Value):
    """Where a tool's events go."""

    url: str  # Empty where nothing names one.
    source: Source = "default"  # What kind of place chose it.
    origin: str = ""  # That place: a variable, a file; empty for what its author declares.


class Instrumented(Tool):
    """A tool that records its events through usagectl: one part, `cli`."""

    parts = ("cli",)
    is_ours = True

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.name = registration.name

    @property
    def entry(self) -> Entry | None:
        """What the catalogue knows of usagectl; nothing of any other program."""
        return catalogue.entry(NAME) if self.name == NAME else None

    @property
    def asks(self) -> bool:
        """True if its author has its user asked first."""
        return self.registration.terms.default == "ask"

    @property
    def privacy(self) -> str:
        """What its author promises."""
        return self.registration.terms.told

    @property
    def opt_out(self) -> Mapping[str, str]:
        """What silences usagectl silences every program that records through it."""
        return catalogue.entry(NAME).opt_out

    def find(self, environment: Environment) -> Installation:
        """Find its program; usagectl is always here, and so is a script that named no file."""
        if self.name == NAME:
            from usagectl._version import __version__

            return Installation(installed=True, version=__version__)
        program = self.registration.program
        found = Path(program) if program and exists(Path(program)) else None
        found = found or find_executable(self.name, environment)
        is_here = found is not None or not program
        return Installation(is_here, found, self.registration.version or None)

    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read its switches in the order in which they are named (design, section 4)."""
        user = settings.load(environment)
        terms = self.registration.terms
        switches, sources = rules.read_switches(environment, self.name, user, terms)
        base, chooser, _ = self.endpoint(environment, user)
        if rules.is_lifted(environment):
            return (PartReading("cli", base, rules.lift(switches)),)
        cautions = [*rules.cautions_of(environment, self.name, sources)]
        consented = user.of_tool(self.name).mode_endpoint
        # Whoever chose the address by a variable or a setting knows where it sends.
        is_declared = chooser == "default" and user.delivery_format != "otlp"
        if is_declared and consented not in (None, base):
            switches = [rules.hold_back(switch) for switch in switches]
            cautions += rules.endpoint_cautions(
                self.name, switches, consented=str(consented), base=base
            )
        cautions += rules.sending_cautions(self.registration, switches, base)
        return (PartReading("cli", base, tuple(switches), tuple(cautions)),)

    def endpoint(
        self,
        environment: Environment,
        user: SettingsFile,
        delivery_format: DeliveryFormat | None = None,
    ) -> Address:
        """Return the base URL for its events; without a format for that of the settings.

        As OpenTelemetry logs they go to a whole URL, and never where the author declares, who
        takes them in the other format.
        """
        wanted = delivery_format or user.delivery_format
        # Before OpenTelemetry's, which are the whole machine's: `capture` leads to itself by it.
        if variable := environment.variables.get("ANALYTICS_API", ""):
            return Address(complete(variable, wanted), "environment", "ANALYTICS_API")
        url, name = otlp_of(environment.variables) if wanted == "otlp" else ("", "")
        if url:
            return Address(url, "environment", name)
        if chosen := user.of_tool(self.name).endpoint:
            return Address(complete(chosen, wanted), "setting", str(user.file or ""))
        return Address("" if wanted == "otlp" else self.declared_endpoint)

    @property
    def declared_endpoint(self) -> str:
        """The base URL that its author declares, which a consent to send is bound to."""
        if self.name == NAME:
            return LOCALSTACK_ENDPOINT
        return self.registration.endpoint.rstrip("/")

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name the file of its machine ID; usagectl has no ID of its own."""
        if self.name == NAME or environment.state_dir is None:
            return ()
        return (identity_file(environment.state_dir, self.name),)

    def switch(
        self,
        environment: Environment,
        wish: Wish,
        *,
        dry_run: bool,
        project: bool = False,  # noqa: ARG002  (a person keeps that file, and it is in git)
    ) -> tuple[Change, ...]:
        """Set its mode in the user's settings; undo takes out only what disable wrote."""
        user = settings.load(environment)
        before = user.of_tool(self.name)
        key = ".".join(settings.place_of("mode", self.name))
        wanted = _MODES[wish]
        if user.problem and wish == "undo":
            _refuse_undo(environment, user)
        is_done = before.mode_set_by != "disable" if wish == "undo" else before.mode == wanted
        if wanted == "on":
            is_done = is_done and before.mode_endpoint == self.declared_endpoint
        if is_done and not user.problem:
            file = files.require_settings_file(environment)
            return (Change(self.name, file, key, before.mode, changed=False),)
        values = {
            **self.mode_settings(environment, wanted),
            "mode_set_by": "disable" if wish == "off" else None,
        }
        saved = settings.save(environment, values, tool=self.name, dry_run=dry_run)
        return (Change(self.name, saved.file, key, wanted, saved.changed, saved.set_aside),)

    def mode_settings(
        self, environment: Environment, mode: settings.Mode | None
    ) -> dict[settings.Name, object]:
        """Return the settings that choose a mode from now on; `on` for its present endpoint."""
        return {
            "mode": mode,
            "mode_since": environment.now().replace(microsecond=0) if mode else None,
            "mode_set_by": None,
            "mode_endpoint": self.declared_endpoint if mode == "on" else None,
        }


def _refuse_undo(environment: Environment, user: settings.SettingsFile) -> NoReturn:
    """Say why what disable wrote cannot be taken out, by what is wrong with the file."""
    file = files.require_settings_file(environment)
    if doubt := owners.doubt_of(environment, file):
        raise FileUnwritableError(file, reason=doubt.reason, hint=doubt.hint)
    files.read_bytes(file, limit=settings.MAX_BYTES)
    reason = "so what disable wrote there cannot be taken out"
    raise FileCorruptError(file, reason=reason, hint=user.hint)


def validate_name(name: object) -> str:
    """Return a tool's name if it is valid.

    Raises:
        InvalidValueError: the name is invalid, or usagectl knows it as another tool.
    """
    if not isinstance(name, str) or len(name) > NAME_LENGTH or not re.fullmatch(NAME_PATTERN, name):
        wanted = "use lower-case letters and digits, with single '-' or '_' between them"
        raise InvalidValueError("tool name", str(name)[:NAME_LENGTH], wanted=wanted)
    if name in TAKEN[:2]:
        wanted = "usagectl knows that tool by its own switches; use another name"
        raise InvalidValueError("tool name", name, wanted=wanted)
    return name


def validate_version(version: object) -> str:
    """Return a version that can be registered: one that is too long to be shown is not.

    Raises:
        InvalidValueError: it is no text, and a registration with it would not be understood.
    """
    if not isinstance(version, str):
        raise InvalidValueError("version", str(version)[:NAME_LENGTH], wanted="use a text")
    return version if len(version) <= _MOST_CHARACTERS["version"] else ""


def read_all(environment: Environment) -> tuple[Registration, ...]:
    """Read every registered program, ordered by name; one that cannot be read has a `problem`."""
    if environment.state_dir is None:
        return ()
    there = files_ending(environment.state_dir / "tools", _SUFFIX)
    found = (_read(environment, file) for file in there if _is_free(file.stem))
    return tuple(each for each in found if each is not None)


def read(environment: Environment, name: str) -> Registration | None:
    """Read one registered program; None if it never registered."""
    if environment.state_dir is None or not _is_free(name):
        return None
    return _read(environment, environment.state_dir / "tools" / f"{name}{_SUFFIX}")


def _is_free(name: str) -> bool:
    return bool(re.fullmatch(NAME_PATTERN, name)) and len(name) <= NAME_LENGTH and name not in TAKEN


def _read(environment: Environment, file: Path) -> Registration | None:
    name = file.stem
    if doubt := owners.doubt_of(environment, file):
        return Registration(name, problem=f"{file} is not obeyed: {doubt.reason}.")
    try:
        data = files.read_bytes(file, limit=_MOST_BYTES)
    except FileUnreadableError as error:
        return Registration(name, problem=error.message)
    return None if data is None else _parse(file, data)


def _parse(file: Path, data: bytes) -> Registration:
    name = file.stem
    document = None
    with suppress(ValueError, RecursionError):
        document = json.loads(data)
    if not isinstance(document, dict):
        return Registration(name, problem=f"{file} cannot be understood: it is not a JSON object.")
    texts = {key: document.get(key, "") for key in _MOST_OF_ALL}
    schemas = document.get("kinds", [])
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(schemas, list):
        return Registration(name, problem=f"{file} cannot be understood: a member is not text.")
    if long := [key for key, text in texts.items() if len(text) > _MOST_OF_ALL[key]]:
        return Registration(name, problem=f"{file} cannot be understood: {long[0]} is too long.")
    kinds = tuple(each for each in schemas[-_MOST_KINDS:] if isinstance(each, dict))
    delivers = document.get("delivers") is not False
    terms = Terms(**{key: texts.pop(key) for key in MOST_OF_EACH})
    members = _known_members(document.get("members"))
    found = Registration(name, schemas=kinds, delivers=delivers, **texts)
    return found._replace(terms=terms, members=members)


def _known_members(found: object) -> tuple[str, ...]:
    from usagectl.events.record import CLI_MEMBERS  # few programs add any

    return tuple(each for each in CLI_MEMBERS if isinstance(found, list) and each in found)


def merge(environment: Environment, registration: Registration) -> Registration:
    """Fill in what this program does not say from other programs, or earlier runs, of its tool.

    Of two kinds of one name the newer definition counts. A kind that is no longer declared
    stays, since its events may wait, and so does a member that is no longer added.
    """
    before = read(environment, registration.name)
    if before is None or before.problem:
        return registration
    kinds = {each["title"]: each for each in before.schemas if isinstance(each.get("title"), str)}
    kinds |= {each["title"]: each for each in registration.schemas}
    return registration._replace(
        version=registration.version or before.version,
        endpoint=registration.endpoint or before.endpoint,
        program=registration.program or before.program,
        schemas=tuple(kinds.values())[-_MOST_KINDS:],
        terms=merged(registration.terms, before.terms),
        members=_known_members([*registration.members, *before.members]),
    )


def register(environment: Environment, registration: Registration) -> bool:
    """Write a program's file and return True, unless it says the same already.

    What other programs of the tool said stays (`merge`).

    Raises:
        InvalidValueError: the name is invalid.
        FolderUnknownError: this account has no home.
        FileUnwritableError: nothing was changed.
    """
    name = validate_name(registration.name)
    if name == NAME:
        return False
    file = files.require_spool_file(environment).with_name("tools") / f"{name}{_SUFFIX}"
    registration = merge(environment, registration)
    document = {
        "schema": 1,
        "name": name,
        "version": registration.version,
        "endpoint": registration.endpoint,
        "program": registration.program,
        "delivers": registration.delivers,
        "kinds": list(registration.schemas),
        **{key: text for key, text in registration.terms._asdict().items() if text},
        **({"members": list(registration.members)} if registration.members else {}),
    }
    data = json.dumps(document, indent=1).encode() + b"\n"
    with suppress(FileUnreadableError):
        if files.read_bytes(file) == data:
            return False
    files.replace_bytes(file, data)
    return True


def declarations(environment: Environment) -> tuple[Declaration, ...]:
    """Return every event kind that a registered program declares, for `notice.declared`."""
    from usagectl.events import kinds

    return tuple(
        declaration
        for registration in read_all(environment)
        for kind in registration.kinds
        if kinds.has_name_of(registration.name, kind)
        for declaration in kinds.declare(registration.name, [kind])
    )


def identity_file(state_dir: Path, tool: str) -> IdentityFile:
    """Name the file in which usagectl keeps the random machine ID of a tool."""
    return IdentityFile(tool, "cli", state_dir / "machine-ids" / f"{tool}.json", "json")


TOOL = Instrumented(Registration(NAME))
