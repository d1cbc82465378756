"""Words in which every tool is described: parts, switches, files, requests.

A tool is an entry of the catalogue, read by `catalogued`; where no form covers its switches it
is one small module beside this one. It says which switches each of its
parts reads, in the order in which that program obeys them; it writes and undoes
its own switches, names the places of its machine ID and builds its own preview.
The verdict on its switches is given by `consent`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from usagectl import catalogue
from usagectl.settings import is_http_url
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from usagectl.catalogue.entry import Entry
    from usagectl.machine.environment import Environment
    from usagectl.tools.previews import PartPreview, PreviewWish

Telemetry = Literal["on", "local", "off", "unknown"]
"""The last alone of a running program that does not tell what it was started with."""

Source = Literal[
    "environment",
    "process",
    "package",
    "flags",
    "profile",
    "project",
    "policy",
    "setting",
    "default",
    "state",
    "file",
    "machine",
    "ci",
    "release",
]
"""What kind of place a switch is: `file` and `machine` are the tool's own files, a user's and a
machine's; `ci` a sign of a CI service; `release` a release that sends nothing at all; `package` a
file that whoever packaged the program put beside its code.
"""

RANK: Mapping[str, int] = {"off": 0, "local": 1, "unknown": 2, "on": 3}
"""How loud a verdict is: what is not known counts as louder than off."""

Wish = Literal["off", "undo", "on"]
"""What switching is asked for: off, back to what was before disable, or on whatever was before."""

BREAKS = "value-breaks-tool"
"""The code of the caution that a tool stops at the value of a switch."""

LOCALSTACK_ENDPOINT = "https://analytics.localstack.cloud/v1"
"""Where LocalStack's clients post when nothing else is set (facts, part 1)."""


class Switch(Value):
    """One place that can turn telemetry on or off, and what it says."""

    source: Source  # What kind of place it is.
    name: str  # The variable, key or file name.
    value: str | None  # What stands there, as text; None when the place has no value.
    origin: str  # The file, or `environment`, or empty for the default.
    says: Telemetry | None  # What the tool makes of it; None when the tool ignores it.


class Caution(Value):
    """Something that a person should know about a part: code, sentence, next step."""

    code: str
    message: str
    hint: str = ""
    level: Literal["warning", "error"] = "warning"  # An error: the tool itself does not work.


class Installation(Value):
    """What was found of a tool: on this machine or not, its program, version and packages."""

    installed: bool
    executable: Path | None = None
    version: str | None = None
    packages: Path | None = None  # The folder of its packages, or of its npm package.
    trace: Path | None = None  # A file that its use left behind, where nothing else is here.

    @property
    def is_found(self) -> bool:
        """True if the tool is on this machine, or was used on it."""
        return self.installed or self.trace is not None

    @property
    def node_modules(self) -> Path | None:
        """The folder of npm packages that the tool lies in; None for another kind of tool."""
        around = self.packages or self.executable or Path()
        return next((each for each in around.parents if each.name == "node_modules"), None)

    @property
    def programs(self) -> tuple[Path, ...]:
        """The folders in which its programs are, to stand first on PATH."""
        modules, executable = self.node_modules, self.executable
        folders = modules and modules / ".bin", executable and executable.parent
        return tuple(each for each in folders if each)


class PartReading(Value):
    """Everything that one part of a tool would look at before it sends."""

    part: str  # The part's name, such as `cli`.
    endpoint: str  # The URL it would post to.
    switches: tuple[Switch, ...]  # First the one that is obeyed first; ignored ones say None.
    cautions: tuple[Caution, ...] = ()  # What is odd about this configuration.
    decider: Switch | None = None  # The switch that decides, where their order does not tell.
    senders: Mapping[str, Telemetry] = MappingProxyType({})  # What is switched apart in the part.


class IdentityFile(Value):
    """One place in which a tool keeps its machine ID."""

    tool: str  # Whose it is.
    part: str  # Which part reads it.
    path: Path
    # `{"machine_id": …}`, the 12 characters alone, or as the catalogue's entry says.
    form: Literal["json", "bare", "entry"]
    is_primary: bool = False  # True for the file that is made when it is missing.
    source: Source = "default"  # What chose the folder.
    is_shared: bool = False  # True if every part of the tool reads this file while it exists.


class Change(Value):
    """What switching wrote (or would write) in one file."""

    tool: str  # Whose switch.
    file: Path
    name: str  # The variable or key.
    value: str | None  # What it is set to; None when the line was taken out.
    changed: bool  # Whether the file is other than before.
    set_aside: Path | None = None  # Where a file that could not be understood went.


class Tool(ABC):
    """A program whose telemetry usagectl knows."""

    name: str  # As a person types it.
    parts: ClassVar[tuple[str, ...]]
    is_previewed_absent: ClassVar[bool] = False  # Whether preview shows it although it is not here.
    is_ours: ClassVar[bool] = False  # Whether it records through usagectl; any No then wins.
    can_be_written: bool = True  # Whether a file that usagectl writes can switch it off.

    @property
    def entry(self) -> Entry | None:
        """What the catalogue knows of it; None for a program that records through usagectl."""
        return catalogue.entry(self.name)

    @property
    def asks(self) -> bool:
        """True if it is off until its user has answered its question."""
        return self.entry is not None and self.entry.default == "asks"

    @property
    def privacy(self) -> str:
        """What its author promises; empty where usagectl was told nothing."""
        return ""

    @property
    def opt_out(self) -> Mapping[str, str]:
        """What silences every part; the first is to be exported."""
        return self.entry.opt_out if self.entry else {}

    @property
    def user_agents(self) -> tuple[str, ...]:
        """How the `User-Agent` of its requests begins."""
        return self.entry.user_agents if self.entry else ()

    @property
    def event_prefix(self) -> str:
        """How its events' names begin; empty without a prefix."""
        return self.entry.event_prefix if self.entry else ""

    @abstractmethod
    def find(self, environment: Environment) -> Installation:
        """Find the tool on this machine without running it."""

    @abstractmethod
    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read the switches of every part."""

    @abstractmethod
    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name every place in which it keeps its machine ID."""

    def label(self, part: str) -> str:
        """Name a part as a person reads it; the only part goes by the tool's name."""
        return f"{self.name} {part}" if len(self.parts) > 1 else self.name

    def switch(
        self,
        _environment: Environment,
        _wish: Wish,
        /,
        *,
        dry_run: bool,  # noqa: ARG002
        project: bool = False,  # noqa: ARG002
    ) -> tuple[Change, ...]:
        """Write the tool's own switch; a tool whose files cannot be written has no changes.

        A file of the working folder's project is written only where `project` is true.

        Raises:
            StateError: its file cannot be read, understood or written.
        """
        return ()

    def way_off(self, _environment: Environment, /) -> str:
        """Return a command that silences a tool whose files cannot be written; empty without."""
        return next((f"export {name}={value}" for name, value in self.opt_out.items()), "")

    def identity_cautions(self, _environment: Environment, /) -> tuple[Caution, ...]:
        """Warn where the tool does not heed what its identity file says."""
        return ()

    def preview(self, _environment: Environment, _wish: PreviewWish, /) -> tuple[PartPreview, ...]:
        """Build what its parts would send by themselves; for a tool of ours the spool has it."""
        return ()

    def sending_environment(self, environment: Environment, _version: str | None, /) -> Environment:
        """Return the environment as the tool changes it for itself before it sends."""
        return environment

    def instance_urls(self, _environment: Environment, /) -> tuple[str, ...]:
        """Name the loopback URLs at which a running instance may describe itself."""
        return ()


def endpoint_caution(tool: str, endpoint: str, *, variable: str) -> Caution | None:
    """Warn when no client can post to the endpoint of a part."""
    if is_http_url(endpoint):
        return None
    if not endpoint:
        message = f"{tool} names no endpoint, so its events stay in the spool."
        hint = f"usagectl spool show --raw --tool {tool}"
        return Caution("endpoint-missing", message, hint)
    message = f"The endpoint that {variable} names is no http or https URL, so nothing can be sent."
    return Caution("endpoint-invalid", message, f"unset {variable}")


def is_no(value: str | None) -> bool:
    """True if a variable such as DO_NOT_TRACK says No: it is set, and not to a word for false."""
    return value is not None and value.strip().lower() not in ("", "0", "false", "no", "off")


def exists(path: Path) -> bool:
    """True if this process can see something there; never raises.

    `Path.exists` raises where a folder may not be entered or a name is too long; a
    program that looks with `os.path.exists`, as LocalStack does, sees nothing there.
    """
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """True if this process can see a regular file there; never raises."""
    return os.path.isfile(path)  # noqa: PTH113


def is_dir(path: Path) -> bool:
    """True if this process can see a folder there; never raises."""
    return os.path.isdir(path)  # noqa: PTH112


def find_executable(name: str, environment: Environment) -> Path | None:
    """Find a program on the PATH of the environment."""
    import shutil  # Typer has it loaded; the library alone may not need it

    found = shutil.which(name, path=environment.variables.get("PATH", ""))
    return Path(found) if found else None


def files_ending(folder: Path, suffix: str) -> list[Path]:
    """List what has such a name in a folder, sorted; nothing where the folder cannot be listed."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(suffix))  # noqa: PTH208
    except OSError:
        return []


def glob_quietly(folder: Path, pattern: str) -> list[Path]:
    """List what matches below a folder, sorted; nothing where the folder cannot be listed."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def variable_switches(
    variables: Mapping[str, str],
    names: Iterable[str],
    says: Callable[[str], Telemetry | None] = lambda _value: None,
) -> list[Switch]:
    """Describe the variables that are set; without `says` the tool ignores them."""
    return [
        Switch("environment", name, variables[name], "environment", says(variables[name]))
        for name in names
        if name in variables
    ]


def first_heeded(switches: Iterable[Switch]) -> Switch:
    """Return the first switch that says something; a default always does."""
    return next(switch for switch in switches if switch.says)


def read_system_id(environment: Environment) -> str | None:
    """Read this machine's own ID, from which clients derive theirs; None without one."""
    try:
        return environment.at_root("/etc/machine-id").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def new_random_id(environment: Environment) -> str:
    """Draw 12 characters in the shape of LocalStack's own `gen_` ID, without the prefix."""
    digits = environment.entropy(6).hex()
    return f"{digits[:8]}-{digits[8:11]}"


def is_version(text: str) -> bool:
    """True if text has the form of a version, such as `1.0.5.dev`."""
    import re

    return re.fullmatch(r"\d+(?:\.\d+)*(?:[.+-]?[0-9A-Za-z]+)?", text, re.ASCII) is not None
