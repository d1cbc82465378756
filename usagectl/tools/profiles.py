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

from usagectl.errors import FileUnreadableError
from usagectl.machine import files
from usagectl.tools.base import exists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.tools.localstack_rules import Rules

_SUFFIX = ".env"
MAX_BYTES = 32 * 1024 * 1024
"""The client has no bound. A larger profile is said not to be known, never to be off."""


class ProfileFile(NamedTuple):
    """Hold one active profile: its name, file and what it sets.

    Attributes:
        name: as CONFIG_PROFILE names it.
        file: where it is looked for.
        exists: whether anything is there.
        values: what it sets; a bare name without `=` has None.
        problem: why the client would stop at it, else empty.
        unread: why its content is not known, as the end of a sentence, else empty.
    """

    name: str
    file: Path
    exists: bool
    values: Mapping[str, str | None]
    problem: str = ""
    unread: str = ""


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
    active = tuple(_read(environment, folder, name=name) for name in names)
    return Profiles(folder, tuple(_mark_unholdable(active, environment.variables)))


def _mark_unholdable(
    active: tuple[ProfileFile, ...], variables: Mapping[str, str]
) -> Iterator[ProfileFile]:
    """Find what no environment can hold among the values that win; a later file may repair it."""
    winners = {name: profile.file for profile in active for name in profile.values}
    for profile in active:
        reasons = (
            why_unholdable(name, value, variables)
            for name, value in profile.values.items()
            if winners[name] == profile.file
        )
        reason = next((text for text in reasons if text), "")
        problem = f"{profile.file} cannot be understood: {reason}."
        yield profile._replace(problem=problem) if reason else profile


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
    found = ProfileFile(name, file, exists=exists(file), values={})
    if not found.exists:
        return found
    if not file.is_file():
        # python-dotenv takes a folder or a device (a link to /dev/null) for an empty file. A
        # pipe may be served by a password manager: a look would take its content away.
        return found._replace(unread="is a pipe" if file.is_fifo() else "")
    try:
        if file.stat().st_size > MAX_BYTES:
            return found._replace(unread="is too large to be read here")
        data = files.read_bytes(file, limit=2 * MAX_BYTES) or b""
        return found._replace(values=parse(data, environment.variables))
    except FileUnreadableError as error:
        return found._replace(problem=error.message)
    except UnicodeDecodeError:
        return found._replace(problem=f"{file} cannot be understood: it is not UTF-8.")


def parse(data: bytes, variables: Mapping[str, str]) -> dict[str, str | None]:
    """Parse a profile's bytes with python-dotenv's parser and `${NAME}` expansion.

    Raises:
        UnicodeDecodeError: the client would stop at them.
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
    return values


def why_unholdable(name: str, value: str | None, variables: Mapping[str, str]) -> str:
    """Say why the client stops when it puts an assignment into its environment, else nothing."""
    if value is None or name in variables:
        return ""
    if not name or "=" in name:
        return "it sets a name that no environment can hold"
    return "it holds a NUL character" if "\0" in name + value else ""


_BLOCK = (
    rb"# >>> usagectl >>>(?P<notes>[^\r\n]*)\r?\n"
    rb"(?P<lines>(?:[A-Z_]+=[01]\r?\n)+)"
    rb"# <<< usagectl <<<(?:\r?\n)?"
)
"""What usagectl adds; an editor may have made every line end with CRLF."""

_LINE_ADDED = b" [line break added]"
_FILE_ADDED = b" [file added]"


def add_block(data: bytes | None, assignments: Mapping[str, str]) -> bytes:
    """Put usagectl's marked block at the end of a profile, where it wins; replace an older one.

    A block that opts out leaves one that opts in where it is, so that taking
    it out again brings back what was.
    """
    opts_out = "1" in assignments.values()
    rest = remove_block(data, opts_out_only=opts_out) if data is not None else None
    notes = b" added by usagectl enable; delete these lines to go back to your own"
    if opts_out:
        notes = b" added by usagectl disable; usagectl enable takes it out again"
    body = rest or b""
    if rest is None:
        notes += _FILE_ADDED
    elif body and not body.endswith((b"\n", b"\r")):
        notes += _LINE_ADDED
        body += b"\n"
    lines = b"".join(f"{name}={value}\n".encode() for name, value in assignments.items())
    return body + b"# >>> usagectl >>>" + notes + b"\n" + lines + b"# <<< usagectl <<<\n"


def remove_block(data: bytes, *, opts_out_only: bool = False) -> bytes | None:
    """Take usagectl's blocks out; None when the file was usagectl's and is now empty."""
    matches = _blocks(data, opts_out_only=opts_out_only)
    rest = data
    for match in reversed(matches):
        head, tail = rest[: match.start()], rest[match.end() :]
        if _LINE_ADDED in match["notes"] and not tail:
            head = head.removesuffix(b"\n")
        rest = head + tail
    is_ours = any(_FILE_ADDED in match["notes"] for match in matches)
    return None if not rest and is_ours else rest


def _blocks(data: bytes, *, opts_out_only: bool) -> list[re.Match[bytes]]:
    found = re.finditer(_BLOCK, data)
    return [match for match in found if not opts_out_only or b"=1" in match["lines"]]


def has_block(data: bytes, *, opts_out_only: bool = False) -> bool:
    """Tell whether usagectl's block stands in a profile."""
    return bool(_blocks(data, opts_out_only=opts_out_only))


def names_in(values: Iterable[str]) -> str:
    """Join profile names for a sentence."""
    return ", ".join(repr(value) for value in values)
