"""Tools that record their events through usagectl, usagectl itself among them.

A program writes a small file about itself when it first records, so that usagectl can
list, preview and switch it. People can edit the file: one that cannot be understood
stands for a tool without an endpoint.

Any No wins, and a switch that cannot be understood is a No. A No in a variable, policy,
project file or general setting holds for every such tool, a Yes only for the tool it names.
A test runner is a No.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from usagectl import settings
from usagectl.endpoint import is_loopback, origin_of, problem_of
from usagectl.errors import (
    FileCorruptError,
    FileUnreadableError,
    InvalidValueError,
    hint_of_folder,
    quote,
)
from usagectl.machine import files, owners
from usagectl.machine.environment import CONFIG_DIR_VARIABLE
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Caution,
    Change,
    IdentityFile,
    Installation,
    PartReading,
    Source,
    Switch,
    Telemetry,
    Tool,
    exists,
    find_executable,
    glob_quietly,
    is_no,
    variable_switches,
)
from usagectl.tools.localstack_client import is_true

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment
    from usagectl.notice import Declaration
    from usagectl.settings import SettingsFile
    from usagectl.tools.base import Wish

NAME = settings.OWN_NAME

NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
NAME_LENGTH = 64
TAKEN = ("localstack", "lstk", NAME)
"""Tools that usagectl knows by itself; no program can register as one."""

_SUFFIX = ".json"
_MOST_CHARACTERS = {"version": 400, "endpoint": 400, "program": 4096}
"""How long each text may be, since it is shown; 4096 is the longest path on Linux."""

_MOST_KINDS = 256
_MOST_BYTES = 1024 * 1024
_SHOWN_KEYS = 5
_SHOWN_CHARACTERS = 60

_NO_VARIABLES = ("DO_NOT_TRACK", "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS")

LIFTED_VARIABLE = "USAGECTL_AS_IF_ENABLED"
"""With `1`, and as long as `ANALYTICS_API` leads to this machine, every No is lifted but the
policy's: a capture shows what would be sent. Other programs keep what `DO_NOT_TRACK` says."""

_MODES: Mapping[Wish, settings.Mode | None] = {"off": "off", "on": "on", "undo": None}


class Registration(NamedTuple):
    """What a program says about itself."""

    name: str  # The tool, as a person types it.
    version: str = ""  # Its version; empty when it names none.
    endpoint: str = ""  # The base URL its author declares; empty: nothing is sent by itself.
    program: str = ""  # The file that was run; empty when it is not known.
    schemas: tuple[Mapping[str, object], ...] = ()  # Its event kinds, as the notice's data.
    problem: str = ""  # A sentence when its file cannot be read or understood, else empty.
    delivers: bool = True  # Whether its program can start the process that sends.

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Declared kinds; those that cannot be understood are left out."""
        from usagectl.events import kinds  # few commands ask

        found = []
        for schema in self.schemas:
            with suppress(kinds.InvalidKindError):
                found.append(kinds.from_schema(schema))
        return tuple(found)


class Instrumented(Tool):
    """A tool that records its events through usagectl: one part, `cli`."""

    parts = ("cli",)
    opt_out: ClassVar[Mapping[str, str]] = {"DO_NOT_TRACK": "1", settings.MODE_VARIABLE: "off"}
    is_ours = True
    user_agents = (f"{NAME}/",)

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.name = registration.name

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
        switches = variable_switches(environment.variables, _NO_VARIABLES, _says_no)
        switches += _test_switches(environment)
        switches += _mode_variables(environment, self.name)
        sources = _read_files(environment, self.name, user, switches)
        if user.file is None:
            switches.append(Switch("setting", "a missing home", None, "", "off"))
        switches.append(Switch("default", "no switch", None, "", "local"))
        base = self.endpoint(environment, user)[0]
        if _is_lifted(environment):
            lifted = [
                each if each.source == "policy" else each._replace(says=None) for each in switches
            ]
            is_on = Switch("environment", LIFTED_VARIABLE, "1", "environment", "on")
            return (PartReading("cli", base, (is_on, *lifted)),)
        cautions = (
            *_variable_cautions(environment, self.name),
            *_file_cautions(sources),
            *_sending_cautions(self.registration, switches, base),
        )
        return (PartReading("cli", base, tuple(switches), cautions),)

    def endpoint(self, environment: Environment, user: SettingsFile) -> tuple[str, Source]:
        """Return the base URL for its events, empty without one, and what chose it."""
        variable = environment.variables.get("ANALYTICS_API", "")
        if variable:
            return variable.rstrip("/"), "environment"
        chosen = user.of_tool(self.name).endpoint
        if chosen:
            return chosen.rstrip("/"), "setting"
        if self.name == NAME:
            return LOCALSTACK_ENDPOINT, "default"
        return self.registration.endpoint.rstrip("/"), "default"

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name the file of its machine ID; usagectl has no ID of its own."""
        if self.name == NAME or environment.state_dir is None:
            return ()
        return (identity_file(environment.state_dir, self.name),)

    def switch(self, environment: Environment, wish: Wish, *, dry_run: bool) -> tuple[Change, ...]:
        """Set its mode in the user's settings; undo takes out only what disable wrote."""
        user = settings.load(environment)
        before = user.of_tool(self.name)
        key = ".".join(settings.place_of("mode", self.name))
        wanted = _MODES[wish]
        if user.problem and user.file and wish == "undo":
            reason = "so what disable wrote there cannot be taken out"
            raise FileCorruptError(user.file, reason=reason)
        is_done = before.mode_set_by != "disable" if wish == "undo" else before.mode == wanted
        if is_done and not user.problem:
            file = files.require_settings_file(environment)
            return (Change(self.name, file, key, before.mode, changed=False),)
        values: dict[settings.Name, object] = {
            "mode": wanted,
            "mode_since": environment.now().replace(microsecond=0) if wanted else None,
            "mode_set_by": "disable" if wish == "off" else None,
        }
        saved = settings.save(environment, values, tool=self.name, dry_run=dry_run)
        return (Change(self.name, saved.file, key, wanted, saved.changed, saved.set_aside),)


def validate_name(name: str) -> str:
    """Return a tool's name if it is valid.

    Raises:
        InvalidValueError: the name is invalid, or usagectl knows it as another tool.
    """
    if not NAME_PATTERN.fullmatch(name) or len(name) > NAME_LENGTH:
        wanted = "use lower-case letters and digits, with single '-' or '_' between them"
        raise InvalidValueError("tool name", name[:NAME_LENGTH], wanted=wanted)
    if name in TAKEN[:2]:
        wanted = "usagectl knows that tool by its own switches; use another name"
        raise InvalidValueError("tool name", name, wanted=wanted)
    return name


def read_all(environment: Environment) -> tuple[Registration, ...]:
    """Read every registered program, ordered by name; one that cannot be read has a `problem`."""
    if environment.state_dir is None:
        return ()
    there = glob_quietly(environment.state_dir / "tools", f"*{_SUFFIX}")
    found = (_read(environment, file) for file in there if _is_free(file.stem))
    return tuple(each for each in found if each is not None)


def read(environment: Environment, name: str) -> Registration | None:
    """Read one registered program; None if it never registered."""
    if environment.state_dir is None or not _is_free(name):
        return None
    return _read(environment, environment.state_dir / "tools" / f"{name}{_SUFFIX}")


def _is_free(name: str) -> bool:
    return bool(NAME_PATTERN.fullmatch(name)) and len(name) <= NAME_LENGTH and name not in TAKEN


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
    texts = {key: document.get(key, "") for key in _MOST_CHARACTERS}
    schemas = document.get("kinds", [])
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(schemas, list):
        return Registration(name, problem=f"{file} cannot be understood: a member is not text.")
    if long := [key for key, text in texts.items() if len(text) > _MOST_CHARACTERS[key]]:
        return Registration(name, problem=f"{file} cannot be understood: {long[0]} is too long.")
    kinds = tuple(each for each in schemas[-_MOST_KINDS:] if isinstance(each, dict))
    delivers = document.get("delivers") is not False
    return Registration(name, schemas=kinds, delivers=delivers, **texts)


def merge(environment: Environment, registration: Registration) -> Registration:
    """Fill in what this program does not say from other programs, or earlier runs, of its tool.

    Of two kinds of one name the newer definition counts. A kind that is no longer declared
    stays, since its events may wait.
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


def variable_of(name: str) -> str:
    """Name the variable that holds a tool's own mode: `MYTOOL_TELEMETRY`."""
    return f"{name.upper().replace('-', '_')}_TELEMETRY"


def _is_lifted(environment: Environment) -> bool:
    variables = environment.variables
    return variables.get(LIFTED_VARIABLE) == "1" and is_loopback(variables.get("ANALYTICS_API", ""))


def _says_no(value: str) -> Telemetry | None:
    return "off" if is_no(value) else None


def _test_switches(environment: Environment) -> Iterator[Switch]:
    """Yield the No of a test runner: what is recorded tells of people, not of tests."""
    if name := environment.test_runner:
        if value := environment.variables.get(name):
            yield Switch("environment", name, value, "environment", "off")
        else:
            yield Switch("process", "test runner", name, "this process", "off")


def _mode_variables(environment: Environment, tool: str) -> Iterator[Switch]:
    for variable in dict.fromkeys((settings.MODE_VARIABLE, variable_of(tool))):
        text = environment.variables.get(variable, "")
        if mode := text.strip().lower():
            says: Telemetry | None = mode if settings.is_mode(mode) else "off"
            if says == "on" and variable != variable_of(tool):
                says = None  # It was said of usagectl alone.
            yield Switch("environment", variable, text, "environment", says)


def _read_files(
    environment: Environment, tool: str, user: SettingsFile, switches: list[Switch]
) -> list[tuple[Source, SettingsFile]]:
    """Return the files that can hold a mode, and add what they say to the switches.

    Anybody may have written a project file: after a No it could say no more, and is not read.
    """
    policy = settings.read_policy(environment)
    sources: list[tuple[Source, SettingsFile]] = [("policy", policy)]
    switches += _file_switches("policy", policy, tool)
    projects = settings.read_projects(environment)
    while all(switch.says != "off" for switch in switches):
        project = next(projects, None)
        if project is None:
            break
        sources.append(("project", project))
        switches += _file_switches("project", project, tool)
    sources.append(("setting", user))
    switches += _file_switches("setting", user, tool)
    return sources


def _file_switches(source: Source, file: SettingsFile, tool: str) -> Iterator[Switch]:
    origin = str(file.file) if file.file else ""
    if file.problem or (file.unknown and source != "setting"):
        # A restriction with a slip of the pen in it must still restrict.
        yield Switch(source, "telemetry.mode", file.mode, origin, "off")
        return
    modes = {"telemetry.mode": file.mode}
    if tool != NAME:
        modes[f"tools.{tool}.mode"] = file.of_tool(tool).mode
    for name, mode in modes.items():
        is_about_it = name != "telemetry.mode" or tool == NAME
        if mode is None or (source == "setting" and not is_about_it and mode != "off"):
            continue
        # A policy or a project file may only restrict: its "on" gives nothing.
        says = None if source != "setting" and mode == "on" else mode
        yield Switch(source, name, mode, origin, says)


def _variable_cautions(environment: Environment, tool: str) -> Iterator[Caution]:
    for name in _NO_VARIABLES[1:] if tool == NAME else ():
        value = environment.variables.get(name)
        if is_no(value) and not is_true(value):
            message = f"{name}={value} counts as a No here, but LocalStack's clients ignore it."
            yield Caution("value-ignored-elsewhere", message, f"export {name}=1")
    variable = variable_of(tool)
    text = environment.variables.get(variable, "")
    if (mode := text.strip().lower()) and not settings.is_mode(mode):
        message = f"{variable}={text} is not understood, so it counts as off."
        yield Caution("mode-not-understood", message, f"export {variable}=off")


def _sending_cautions(
    registration: Registration, switches: list[Switch], base: str
) -> Iterator[Caution]:
    if registration.problem:
        yield Caution("registration-unreadable", registration.problem, "usagectl status")
    says = [switch.says for switch in switches]
    if "on" not in says or "off" in says:
        return
    problem, name = problem_of(base), registration.name
    if not base:
        message = f"{name} names no endpoint, so nothing is sent; its events wait in the spool."
        yield Caution("endpoint-missing", message, f"usagectl spool list --tool {name}")
    elif problem == "plain-http":
        message = f"{origin_of(base)} is plain http, so nothing is sent there by itself."
        yield Caution("endpoint-not-https", message, "usagectl settings")
    elif problem:
        message = "The endpoint is no http or https URL, so nothing can be sent."
        yield Caution("endpoint-invalid", message, "usagectl settings")
    elif not registration.delivers:
        message = f"The program of {name} is frozen in a way in which it cannot send by itself."
        yield Caution("delivery-by-hand", message, f"usagectl replay --tool {name}")


def _file_cautions(sources: list[tuple[Source, SettingsFile]]) -> Iterator[Caution]:
    for source, file in sources:
        if file.problem:
            message = f"{file.problem} It counts as off until that is mended."
            hint = file.hint or f"cat {quote(str(file.file))}"
            yield Caution(f"{source}-unreadable", message, hint)
        elif file.ignored:
            hint = f"ls -l {quote(str(file.file))}"
            yield Caution(f"{source}-ignored", file.ignored, hint)
        elif file.unknown:
            rest = "." if source == "setting" else ", so it counts as off."
            named = _name_some(file.unknown)
            message = f"{file.file} holds {named}, which means nothing here{rest}"
            yield Caution(f"{source}-unknown-key", message, f"cat {quote(str(file.file))}")
        elif source != "setting" and file.mode == "on":
            message = f"{file.file} asks for on, but a {source} file can only restrict."
            yield Caution(f"{source}-cannot-enable", message, f"cat {quote(str(file.file))}")
        elif source == "setting" and file.file is None:
            message = "This account has no home, so no setting can be read; that counts as off."
            yield Caution("no-home", message, hint_of_folder(CONFIG_DIR_VARIABLE))


def _name_some(keys: tuple[str, ...]) -> str:
    """Name the first keys of a file that anybody may have written."""
    shown = [
        key if len(key) <= _SHOWN_CHARACTERS else f"{key[:_SHOWN_CHARACTERS]}..."
        for key in keys[:_SHOWN_KEYS]
    ]
    more = f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


TOOL = Instrumented(Registration(NAME))
