"""The description of a tool that is held to the rules: how it is run and switched.

A TOML file with one table, `[conformance]`. Everywhere in it `{endpoint}` stands for
the endpoint's address (`http://127.0.0.1:40123`), `{value}` for a text that must not
be sent, `{here}` for the folder of the file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
    """One way to switch telemetry on or off.

    Attributes:
        variables: environment variables to set.
        run: a command line of the tool to run before; empty without one.
        files: files to write before, by name below the working folder, or below home after `~/`.
    """

    variables: Mapping[str, str] = {}
    run: Words = ()
    files: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """The switch in a few words, as its author wrote it."""
        parts = [f"{name}={value}" for name, value in self.variables.items()]
        parts += [" ".join(self.run)] if self.run else []
        return ", ".join([*parts, *self.files]) or "nothing"


@dataclass(frozen=True, slots=True)
class Spec:
    """How a tool is run, what makes it send, and every switch that must silence it.

    Attributes:
        command: the words before every command line: `("mytool",)`.
        sends: command lines that send something once telemetry is on.
        silent: command lines that must never send, such as `--help`.
        on: the switch that turns telemetry on, where it is off by default.
        off: each switch that must silence it; it is set beside `on`.
        variables: environment variables of every run, such as the one with the endpoint.
        files: files of every run, named as those of a switch.
        inherit: names of variables to take from this environment, beside `PATH`.
        delay_seconds: the longest delay by telemetry.
        rounds: how many times each duration is measured.
        timeout_seconds: the longest time that a command line may take.
        grace_seconds: the longest wait for what it leaves running.
        folder: what `{here}` stands for.
    """

    command: Words
    sends: tuple[Words, ...]
    off: tuple[Switch, ...]
    silent: tuple[Words, ...] = (("--help",), ("--version",))
    on: Switch = Switch()  # noqa: RUF009  (a frozen value)
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    inherit: Words = ()
    delay_seconds: float = 0.2
    rounds: int = 3
    timeout_seconds: float = 60.0
    grace_seconds: float = 10.0
    folder: Path = Path()


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
    reader = _Reader(file)
    for key in document:
        if key != "conformance":
            raise reader.refusal(key, "is not known: [conformance] holds everything")
    return reader.read(document.get("conformance"))


class _Reader:
    """Turns a TOML table into a spec, and names the key that does not fit."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def refusal(self, key: str, wanted: str) -> SpecInvalidError:
        return SpecInvalidError(self._file, key, wanted=wanted)

    def read(self, table: object) -> Spec:
        if not isinstance(table, dict):
            raise self.refusal("[conformance]", "is missing")
        takers = {
            "command": self._words,
            "sends": self._lines,
            "silent": self._lines,
            "on": self._switch,
            "off": self._switches,
            "variables": self._texts,
            "files": self._texts,
            "inherit": self._words,
            "delay_seconds": self._seconds,
            "timeout_seconds": self._seconds,
            "grace_seconds": self._seconds,
            "rounds": self._rounds,
        }
        for key in table:
            if key not in takers:
                raise self.refusal(key, f"is not known; known are {', '.join(takers)}")
        for key in ("command", "sends", "off"):
            if not table.get(key):
                raise self.refusal(key, "is missing")
        found: dict[str, Any] = {key: takers[key](key, value) for key, value in table.items()}
        return Spec(**found, folder=self._file.parent.absolute())

    def _words(self, key: str, value: object) -> Words:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.refusal(key, 'has to be a list of words: ["build", "--fast"]')
        return tuple(value)

    def _lines(self, key: str, value: object) -> tuple[Words, ...]:
        if not isinstance(value, list) or not all(isinstance(each, list) for each in value):
            raise self.refusal(key, 'has to be a list of command lines: [["build"], ["test"]]')
        return tuple(self._words(key, each) for each in value)

    def _texts(self, key: str, value: object) -> Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self.refusal(key, 'has to be a table of texts: { NAME = "value" }')
        return value

    def _switches(self, key: str, value: object) -> tuple[Switch, ...]:
        if not isinstance(value, list):
            raise self.refusal(key, 'has to be a list of switches: [{ DO_NOT_TRACK = "1" }]')
        return tuple(self._switch(key, each) for each in value)

    def _switch(self, key: str, value: object) -> Switch:
        """Read a switch; `run` and `files` are variables too if they hold a text."""
        if not isinstance(value, dict):
            raise self.refusal(key, 'has to be a switch: { DO_NOT_TRACK = "1" }')
        rest = dict(value)
        run = rest.pop("run") if isinstance(rest.get("run"), list) else []
        files = rest.pop("files") if isinstance(rest.get("files"), dict) else {}
        if not all(isinstance(each, str) for each in rest.values()):
            raise self.refusal(key, "has a switch that is not a text, run = [...] or files = {...}")
        return Switch(rest, self._words(key, run), self._texts(key, files))

    def _seconds(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self.refusal(key, "has to be a number of seconds above 0")
        return float(value)

    def _rounds(self, key: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 2:  # noqa: PLR2004
            raise self.refusal(key, "has to be a whole number from 2 on")
        return value
