"""The description of a tool that is held to the rules: how it is run and switched.

A TOML file with one table, `[conformance]`. Everywhere in it `{endpoint}` stands for
the endpoint's address (`http://127.0.0.1:40123`), `{value}` for a text that must not
be sent, `{here}` for the folder of the file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from usagectl.errors import FileUnreadableError, UsagectlError
from usagectl.machine.files import reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Words = tuple[str, ...]


class SpecInvalidError(UsagectlError):
    """The description of a tool has an unknown, missing or invalid key."""

    code = "conformance-spec"
    exit_status = 2

    def __init__(self, file: Path, key: str, *, wanted: str) -> None:
        super().__init__(f"{file}: {key} {wanted}.", hint=EXAMPLE)
        self.key = key


EXAMPLE = """[conformance]
command = ["mytool"]
sends = [["build", "--output", "{value}"]]
silent = [["--help"], ["--version"]]
variables = { MYTOOL_ENDPOINT = "{endpoint}/events" }
off = [{ DO_NOT_TRACK = "1" }, { run = ["telemetry", "off"] }]"""


class Switch(NamedTuple):
    """One way to switch telemetry on or off."""

    variables: Mapping[str, str] = {}  # Environment variables to set.
    run: Words = ()  # A command line of the tool to run before; empty without one.
    # Files to write before, by name below the working folder, or below home after `~/`.
    files: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """The switch in a few words, as its author wrote it."""
        parts = [f"{name}={value}" for name, value in self.variables.items()]
        parts += [" ".join(self.run)] if self.run else []
        return ", ".join([*parts, *self.files]) or "nothing"


@dataclass(frozen=True, slots=True)
class Spec:
    """How a tool is run, what makes it send, and every switch that must silence it."""

    command: Words  # The words before every command line: `("mytool",)`.
    sends: tuple[Words, ...]  # Command lines that send something once telemetry is on.
    off: tuple[Switch, ...]  # Each switch that must silence it; it is set beside `on`.
    silent: tuple[Words, ...] = (("--help",), ("--version",))  # Lines that must never send.
    # The switch that turns telemetry on, where it is off by default.
    on: Switch = Switch()  # noqa: RUF009  (a frozen value)
    variables: Mapping[str, str] = field(default_factory=dict)  # Of every run.
    files: Mapping[str, str] = field(default_factory=dict)  # Of every run, as those of a switch.
    inherit: Words = ()  # Names of variables to take from this environment, beside `PATH`.
    delay_seconds: float = 0.2  # The longest delay by telemetry.
    rounds: int = 3  # How many times each duration is measured.
    timeout_seconds: float = 60.0  # The longest time that a command line may take.
    grace_seconds: float = 10.0  # The longest wait for what it leaves running.
    folder: Path = Path()  # What `{here}` stands for.


_WORDS = (Words, 'has to be a list of words: ["build", "--fast"]')
_LINES = (tuple[Words, ...], 'has to be a list of command lines: [["build"], ["test"]]')
_TEXTS = (dict[str, str], 'has to be a table of texts: { NAME = "value" }')
_SECONDS = (Annotated[float, msgspec.Meta(gt=0)], "has to be a number of seconds above 0")
_SWITCH = dict[str, str | Words | dict[str, str]]
_ONE_SWITCH = '{ DO_NOT_TRACK = "1", run = ["telemetry", "off"], files = { "~/.rc" = "off" } }'

_KEYS: dict[str, tuple[Any, str]] = {
    "command": _WORDS,
    "sends": _LINES,
    "silent": _LINES,
    "on": (_SWITCH, f"has to be a switch: {_ONE_SWITCH}"),
    "off": (tuple[_SWITCH, ...], f"has to be a list of switches: [{_ONE_SWITCH}]"),
    "variables": _TEXTS,
    "files": _TEXTS,
    "inherit": _WORDS,
    "delay_seconds": _SECONDS,
    "timeout_seconds": _SECONDS,
    "grace_seconds": _SECONDS,
    "rounds": (Annotated[int, msgspec.Meta(ge=2)], "has to be a whole number from 2 on"),
}
"""Each key of the file: its type, and the sentence that says so."""


def load(file: Path) -> Spec:
    """Read the description of a tool.

    Raises:
        FileUnreadableError: it cannot be read.
        SpecInvalidError: it is not TOML, or a key is unknown, missing or invalid.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileUnreadableError(file, reason=reason_of(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecInvalidError(file, "the file", wanted=f"is not TOML ({error})") from error
    table = document.pop("conformance", None)
    for key in document:
        raise SpecInvalidError(file, key, wanted="is not known: [conformance] holds everything")
    if not isinstance(table, dict):
        raise SpecInvalidError(file, "[conformance]", wanted="is missing")
    for key in (each for each in table if each not in _KEYS):
        raise SpecInvalidError(file, key, wanted=f"is not known; known are {', '.join(_KEYS)}")
    for key in ("command", "sends", "off"):
        if not table.get(key):
            raise SpecInvalidError(file, key, wanted="is missing")
    found = {key: _read(file, key, value) for key, value in table.items()}
    return Spec(**found, folder=file.parent.absolute())


def _read(file: Path, key: str, value: object) -> Any:  # noqa: ANN401  (a member of the spec)
    kind, wanted = _KEYS[key]
    try:
        read = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SpecInvalidError(file, key, wanted=wanted) from error
    if key not in ("on", "off"):
        return read
    switches = [_switch(file, key, each) for each in ([read] if key == "on" else read)]
    return switches[0] if key == "on" else tuple(switches)


def _switch(file: Path, key: str, value: dict[str, Any]) -> Switch:
    """Read a switch; `run` and `files` are variables too if they hold a text."""
    run = value.pop("run") if isinstance(value.get("run"), tuple) else ()
    files = value.pop("files") if isinstance(value.get("files"), dict) else {}
    if not all(isinstance(each, str) for each in value.values()):
        raise SpecInvalidError(file, key, wanted=_KEYS[key][1])
    return Switch(value, run, files)
