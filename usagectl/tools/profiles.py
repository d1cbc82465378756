"""Own LocalStack's profile files: which are active, what they set, how one is edited.

The parser is python-dotenv, which LocalStack itself uses, so every oddity of
the syntax is that client's. Editing adds or removes one marked block at the
end of a file, where the last assignment wins; no other byte is touched.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from typing import TYPE_CHECKING, NamedTuple

from usagectl import _files
from usagectl.errors import FileUnreadableError
from usagectl.tools.base import exists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from usagectl.environment import Environment
    from usagectl.tools.localstack_rules import Rules

_SUFFIX = ".env"


class ProfileFile(NamedTuple):
    """Hold one active profile: its name, file and what it sets.

    Attributes:
        name: as CONFIG_PROFILE names it.
        file: where it is looked for.
        exists: whether anything is there.
        values: what it sets; a bare name without `=` has None.
        problem: why the client would stop at it, else empty.
    """

    name: str
    file: Path
    exists: bool
    values: Mapping[str, str | None]
    problem: str = ""


class Profiles(NamedTuple):
    """Hold the active profiles in the order in which the client reads them."""

    folder: Path
    active: tuple[ProfileFile, ...]

    @property
    def problem(self) -> str:
        """Say why the client would stop at start, else nothing."""
        return next((profile.problem for profile in self.active if profile.problem), "")

    def find(self, name: str) -> tuple[str, Path] | None:
        """Find the value that wins among the profiles, and its file."""
        found = None
        for profile in self.active:
            if name in profile.values:
                value = profile.values[name]
                found = None if value is None else (value, profile.file)
        return found

    def merged_with(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return what the client's environment is once it has read the profiles."""
        merged: dict[str, str | None] = {}
        for profile in self.active:
            merged.update(profile.values)
        values = {name: value for name, value in merged.items() if value is not None}
        return {**values, **variables}


def config_dir(environment: Environment) -> Path:
    """Name the folder of the profiles: CONFIG_DIR, even empty, else `~/.localstack`."""
    chosen = environment.variables.get("CONFIG_DIR")
    if chosen is not None:
        return environment.cwd / chosen
    home = environment.home
    # Without any home the client looks into a folder named "~".
    return home / ".localstack" if home else environment.cwd / "~" / ".localstack"


def active_names(variables: Mapping[str, str], rules: Rules) -> tuple[str, ...]:
    """List the profiles that CONFIG_PROFILE names, else `default`."""
    text = variables.get("CONFIG_PROFILE", "").strip() or "default"
    return tuple(name.strip() for name in text.split(",")) if rules.reads_profile_list else (text,)


def load(environment: Environment, rules: Rules) -> Profiles:
    """Read every active profile as the client does."""
    folder = config_dir(environment)
    names = active_names(environment.variables, rules)
    return Profiles(folder, tuple(_read(environment, folder, name=name) for name in names))


def other_names(profiles: Profiles) -> tuple[str, ...]:
    """List the profiles that lie in the folder and are not active."""
    active = {profile.name for profile in profiles.active}
    try:
        found = sorted(file.name for file in profiles.folder.glob(f"*{_SUFFIX}"))
    except OSError:
        return ()
    return tuple(name[: -len(_SUFFIX)] for name in found if name[: -len(_SUFFIX)] not in active)


def read_other(environment: Environment, profiles: Profiles, name: str) -> ProfileFile:
    """Read a profile that is not active."""
    return _read(environment, profiles.folder, name=name)


def _read(environment: Environment, folder: Path, *, name: str) -> ProfileFile:
    file = folder / f"{name}{_SUFFIX}"
    try:
        if not exists(file):
            return ProfileFile(name, file, exists=False, values={})
        if not (file.is_file() or file.is_fifo()):
            # python-dotenv takes a folder or a device (a link to /dev/null) for an empty file.
            return ProfileFile(name, file, exists=True, values={})
        data = _files.read_bytes(file)
        if data is None:
            return ProfileFile(name, file, exists=False, values={})
        values = parse(data, environment.variables)
    except FileUnreadableError as error:
        return ProfileFile(name, file, exists=True, values={}, problem=error.message)
    except (OSError, ValueError) as error:
        kind = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        problem = f"{file} cannot be understood: {kind}."
        return ProfileFile(name, file, exists=True, values={}, problem=problem)
    return ProfileFile(name, file, exists=True, values=values)


def parse(data: bytes, variables: Mapping[str, str]) -> dict[str, str | None]:
    """Parse a profile's bytes with python-dotenv's parser and `${NAME}` expansion.

    Raises:
        ValueError: the client would stop at them: no UTF-8, or a name or value
            that no environment can hold.
    """
    from dotenv.parser import parse_stream  # only when a profile is there
    from dotenv.variables import parse_variables

    values: dict[str, str | None] = {}
    known: Mapping[str, str | None] = ChainMap(values, {**variables})
    stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    for binding in parse_stream(stream):
        if binding.key is None:
            continue
        if binding.value is None:
            values[binding.key] = None
            continue
        atoms = parse_variables(binding.value)
        value = "".join(atom.resolve(known) for atom in atoms)
        values[binding.key] = value
    _check_names(values, variables)
    return values


def _check_names(values: Mapping[str, str | None], variables: Mapping[str, str]) -> None:
    for name, value in values.items():
        if value is None or name in variables:
            continue
        if not name or "=" in name:
            message = "it sets a name that no environment can hold"
            raise ValueError(message)
        if "\0" in name + value:
            message = "it holds a NUL character"
            raise ValueError(message)


_BLOCK = rb"# >>> usagectl >>>(?P<notes>[^\n]*)\n(?:[A-Z_]+=[01]\n)+# <<< usagectl <<<\n?"
_LINE_ADDED = b" [line break added]"
_FILE_ADDED = b" [file added]"


def add_block(data: bytes | None, assignments: Mapping[str, str]) -> bytes:
    """Put usagectl's marked block at the end of a profile; replace an older one."""
    rest = remove_block(data) if data is not None else None
    notes = b" added by usagectl; usagectl enable or disable takes it out again"
    body = rest or b""
    if rest is None:
        notes += _FILE_ADDED
    elif body and not body.endswith((b"\n", b"\r")):
        notes += _LINE_ADDED
        body += b"\n"
    lines = b"".join(f"{name}={value}\n".encode() for name, value in assignments.items())
    return body + b"# >>> usagectl >>>" + notes + b"\n" + lines + b"# <<< usagectl <<<\n"


def remove_block(data: bytes) -> bytes | None:
    """Take usagectl's block out; None when the file was usagectl's and is now empty."""
    matches = list(re.finditer(_BLOCK, data))
    if not matches:
        return data
    rest = data
    for match in reversed(matches):
        head, tail = rest[: match.start()], rest[match.end() :]
        if _LINE_ADDED in match["notes"] and not tail:
            head = head.removesuffix(b"\n")
        rest = head + tail
    return None if not rest and _FILE_ADDED in matches[0]["notes"] else rest


def has_block(data: bytes) -> bool:
    """Tell whether usagectl's block stands in a profile."""
    return re.search(_BLOCK, data) is not None


def names_in(values: Iterable[str]) -> str:
    """Join profile names for a sentence."""
    return ", ".join(repr(value) for value in values)
