"""lstk, LocalStack's Go command line, and its container: switches, machine IDs, preview.

Facts, parts 1, 4 and 5, and lstk's public source for its configuration file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.errors import FileCorruptError, FileUnreadableError
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Caution,
    IdentityFile,
    Installation,
    PartReading,
    Switch,
    Tool,
    exists,
    find_executable,
    first_heeded,
    glob_quietly,
    is_dir,
    is_no,
    read_system_id,
    variable_switches,
)
from usagectl.tools.localstack_client import DEFAULT, PLAIN, PREFIXED, is_true, says

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Source
    from usagectl.tools.previews import PartPreview, PreviewWish

NAME = "lstk"

_MAX_CONFIG_BYTES = 256 * 1024
"""A project may bring the file; what a larger one says is unknown."""


class Lstk(Tool):
    """lstk, parts `cli` and `container`; it takes only the environment's word."""

    name = NAME
    parts = ("cli", "container")
    can_be_written = False

    def find(self, environment: Environment) -> Installation:
        """Find the command on PATH; a Go program's version cannot be read without running it."""
        executable = find_executable(NAME, environment)
        return Installation(installed=executable is not None, executable=executable)

    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read the switches of both parts."""
        return (_read_cli(environment), _read_container(environment))

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name the command line's bare file and every volume's `machine.json`."""
        folder, source = config_dir(environment)
        own = IdentityFile(NAME, "cli", folder / "machine_id", "bare", source=source)
        return (own, *_volume_files(environment))

    def identity_cautions(self, environment: Environment) -> tuple[Caution, ...]:
        """Warn where lstk derives its ID whatever its file says (facts, part 4)."""
        if find_executable(NAME, environment) is None:
            return ()
        has_docker = find_executable("docker", environment) is not None
        if not has_docker and not (read_system_id(environment) or "").strip():
            return ()
        message = (
            "lstk derives its ID from Docker or /etc/machine-id on every run while one of them is "
            "there; its file is only the last resort. Opting out is what silences it."
        )
        return (Caution("derived-anyway", message, f"export {PREFIXED}=1"),)

    def preview(self, _environment: Environment, wish: PreviewWish, /) -> tuple[PartPreview, ...]:
        """Say of each part that its bytes are not known."""
        from usagectl.tools.previews import PartPreview  # of no use to status

        caution = Caution(
            "bytes-not-known",
            "What lstk sends is known only from reading its source, so no bytes are shown.",
            "usagectl explain lstk_command",
        )
        return tuple(
            PartPreview(part, (), (caution,) if wish.shows(part) else (), is_unknown=True)
            for part in self.parts
        )


def _read_cli(environment: Environment) -> PartReading:
    variables = environment.variables
    switches = (
        *variable_switches(variables, (PREFIXED,), lambda value: "off" if value == "1" else "on"),
        DEFAULT,
        *variable_switches(variables, (PLAIN, "DO_NOT_TRACK")),
    )
    endpoint = variables.get("LSTK_ANALYTICS_ENDPOINT") or f"{LOCALSTACK_ENDPOINT}/events"
    is_on = first_heeded(switches).says == "on"
    return PartReading("cli", endpoint, switches, tuple(_cli_cautions(variables)) if is_on else ())


def _cli_cautions(variables: Mapping[str, str]) -> Iterator[Caution]:
    hint = f"export {PREFIXED}=1"
    if is_no(variables.get(PREFIXED)):
        message = f"{PREFIXED}={variables[PREFIXED]} does not switch lstk off: it takes only 1."
        yield Caution("value-ignored", message, hint)
    for name in (PLAIN, "DO_NOT_TRACK"):
        if is_no(variables.get(name)):
            code = "plain-name-not-read" if name == PLAIN else "do-not-track-ignored"
            yield Caution(code, f"{name} is set, but lstk does not read it.", hint)


def _read_container(environment: Environment) -> PartReading:
    """Read the container's variables: every single-line LOCALSTACK_* beats the file's sections."""
    variables = environment.variables
    value = variables.get(PREFIXED, "")
    is_one_line = "\n" not in value and "\r" not in value
    file = config_dir(environment)[0] / "config.toml"
    section = _section_variables(_parse_config(file))
    switches = (
        *variable_switches(variables, (PREFIXED,) if is_one_line else (), says),
        *(
            Switch("profile", name, section[name], str(file), says(section[name]))
            for name in (PREFIXED, PLAIN)
            if name in section
        ),
        DEFAULT,
        *variable_switches(variables, (PLAIN,)),
    )
    endpoint = (variables.get("LOCALSTACK_ANALYTICS_API") or LOCALSTACK_ENDPOINT).rstrip("/")
    is_on = first_heeded(switches).says == "on"
    cautions = tuple(_container_cautions(variables)) if is_on else ()
    return PartReading("container", endpoint, switches, cautions)


def _container_cautions(variables: Mapping[str, str]) -> Iterator[Caution]:
    if is_no(variables.get(PREFIXED)):
        message = f"{PREFIXED}={variables[PREFIXED]} does not reach the container as a yes: use 1."
        yield Caution("value-ignored", message, f"export {PREFIXED}=1")


def config_dir(environment: Environment) -> tuple[Path, Source]:
    """Name lstk's configuration folder, and what chose it."""
    own = environment.cwd / ".lstk"
    if exists(own / "config.toml"):
        return own, "project"
    xdg = _home_of(environment) / ".config" / "lstk"
    system = _user_dir(environment, "config") / "lstk"
    if exists(xdg / "config.toml"):
        return xdg, "default"
    is_xdg = is_dir(xdg.parent) and not exists(system / "config.toml")
    return xdg if is_xdg else system, "default"


def _home_of(environment: Environment) -> Path:
    return environment.home or environment.cwd / "~"


_USER_DIRS = {
    ("Darwin", "cache"): ("", "Library/Caches"),
    ("Darwin", "config"): ("", "Library/Application Support"),
    ("Windows", "cache"): ("LOCALAPPDATA", "AppData/Local"),
    ("Windows", "config"): ("APPDATA", "AppData/Roaming"),
}


def _user_dir(environment: Environment, kind: str) -> Path:
    """Name the folder that Go calls the user's cache or config folder."""
    usual = (f"XDG_{kind.upper()}_HOME", f".{kind}")
    variable, below_home = _USER_DIRS.get((environment.system, kind), usual)
    chosen = environment.variables.get(variable, "")
    is_taken = chosen.startswith("/") or (chosen and environment.system == "Windows")
    return Path(chosen) if is_taken else _home_of(environment) / below_home


def _volume_files(environment: Environment) -> Iterator[IdentityFile]:
    volumes = _user_dir(environment, "cache") / "lstk" / "volume"
    for path in glob_quietly(volumes, "*/cache/machine.json"):
        yield IdentityFile(NAME, "container", path, "json")
    folder = config_dir(environment)[0]
    for block in _containers(_parse_config(folder / "config.toml")):
        volume = block.get("volume")
        if isinstance(volume, str) and volume.strip() and "\0" not in volume:
            path = folder / volume / "cache" / "machine.json"
            yield IdentityFile(NAME, "container", path, "json", source="profile")


def _section_variables(document: dict[str, object]) -> dict[str, str]:
    """Collect what the `[env.NAME]` sections named by a container block would set.

    Of several blocks the loudest counts: one that is not opted out is enough.
    """
    sections = document.get("env")
    by_name = {
        str(name).lower(): section
        for name, section in (sections.items() if isinstance(sections, dict) else ())
    }
    blocks = [_block_variables(block, by_name) for block in _containers(document)]
    loud = [block for block in blocks if not is_true(block.get(PREFIXED, block.get(PLAIN)))]
    return next(iter(loud or blocks), {})


def _containers(document: dict[str, object]) -> list[dict[str, object]]:
    found = document.get("containers")
    return [block for block in found if isinstance(block, dict)] if isinstance(found, list) else []


def _block_variables(block: dict[str, object], sections: dict[str, object]) -> dict[str, str]:
    names = block.get("env")
    found: dict[str, str] = {}
    for name in names if isinstance(names, list) else ():
        section = sections.get(str(name).lower())
        if isinstance(section, dict):
            found |= {str(key).upper(): str(text) for key, text in section.items()}
    return found


def _parse_config(file: Path) -> dict[str, object]:
    if not exists(file):
        return {}
    from usagectl.machine import toml  # few have such a file

    try:
        return toml.read(file, limit=_MAX_CONFIG_BYTES) or {}
    except (FileUnreadableError, FileCorruptError):
        return {}


TOOL = Lstk()
