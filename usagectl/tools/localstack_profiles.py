"""LocalStack's profile files: which are active, what they set, and how its switch is written.

The parser is python-dotenv, which LocalStack itself uses, so every oddity of the
syntax is that client's. Switching adds or removes one marked block at the end of
a file, where the last assignment wins; no other byte is touched.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileCorruptError, FileUnreadableError, FolderUnknownError
from usagectl.machine import files
from usagectl.tools.base import Change, exists, is_dir, is_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Wish

PLAIN = "DISABLE_EVENTS"
PREFIXED = "LOCALSTACK_DISABLE_EVENTS"
"""The name that reaches the container and lstk; LocalStack's own command line does not read it."""

MAX_BYTES = 32 * 1024 * 1024
"""The client has no bound. What a larger profile says counts as unknown, never as off."""

_SUFFIX = ".env"
_TRUE = ("1", "true", "True")
_FALSE = ("0", "false", "False")


def is_true(value: str | None) -> bool:
    """Apply LocalStack's own truth test: `1` or `true`, any case, trimmed (facts, part 5)."""
    return value is not None and value.lower().strip() in _TRUE


def parse_boolean(value: str | None) -> bool | None:
    """Apply LocalStack's own three-way test: True, False, or None for anything else."""
    text = (value or "").lower().strip()
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


class ProfileFile(NamedTuple):
    """One profile: its name, file and what it sets.

    Attributes:
        name: as CONFIG_PROFILE names it.
        file: where it is looked for.
        values: what it sets; a bare name without `=` has None.
        problem: why the client would stop at it, else empty.
        unread: why its content is not known, as the end of a sentence, else empty.
    """

    name: str
    file: Path
    values: Mapping[str, str | None]
    problem: str = ""
    unread: str = ""


class Profiles(NamedTuple):
    """The active profiles in the order in which the client reads them."""

    folder: Path
    active: tuple[ProfileFile, ...]

    @property
    def problem(self) -> str:
        """Say why the client would stop at start; empty when it does not."""
        return next((profile.problem for profile in self.active if profile.problem), "")

    @property
    def values(self) -> dict[str, str | None]:
        """Merge what the profiles set; a later file wins, a bare name takes a value away."""
        merged: dict[str, str | None] = {}
        for profile in self.active:
            merged |= profile.values
        return merged

    def merged_with(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the client's variables once it has read the profiles; the environment wins."""
        values = {name: value for name, value in self.values.items() if value is not None}
        return {**values, **variables}


def config_dir(environment: Environment) -> Path:
    """Name the folder of the profiles: CONFIG_DIR, even empty, else `~/.localstack`."""
    chosen = environment.variables.get("CONFIG_DIR")
    if chosen is not None:
        return environment.cwd / chosen
    home = environment.home
    # Without any home the client looks into a folder named "~".
    return home / ".localstack" if home else environment.cwd / "~" / ".localstack"


def load(environment: Environment, *, reads_list: bool) -> Profiles:
    """Read every profile that CONFIG_PROFILE names, else `default`, as the client does.

    A version that does not read a list takes the whole text for one name.
    """
    folder = config_dir(environment)
    text = environment.variables.get("CONFIG_PROFILE", "").strip() or "default"
    names = [name.strip() for name in text.split(",")] if reads_list else [text]
    active = tuple(_read(environment, folder, name=name) for name in names)
    return Profiles(folder, tuple(_mark_unholdable(active, environment.variables)))


def _mark_unholdable(
    active: tuple[ProfileFile, ...], variables: Mapping[str, str]
) -> Iterator[ProfileFile]:
    """Mark the files whose winning values no environment can hold; a later file may repair one."""
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
    """List the profiles in the folder that are not active."""
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
    found = ProfileFile(name, file, values={})
    if not exists(file):
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
    """Say why the client stops when it puts an assignment into its environment; else empty."""
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
    """True if usagectl's block stands in a profile."""
    return bool(_blocks(data, opts_out_only=opts_out_only))


def switch(
    environment: Environment, wish: Wish, *, reads_list: bool, tool: str, dry_run: bool
) -> tuple[Change, ...]:
    """Write LocalStack's switch into its active profiles, or take it out.

    Raises:
        FolderUnknownError: there is no folder for profiles.
        FileUnreadableError: a profile that is to be edited may not be read.
        FileCorruptError: LocalStack could not read that profile either.
        FileUnwritableError: nothing was changed in that profile.
        LockTimeoutError: another process kept the profiles locked.
    """
    if environment.home is None and "CONFIG_DIR" not in environment.variables:
        raise FolderUnknownError("LocalStack's profiles", variable="CONFIG_DIR")
    folder = config_dir(environment)
    if dry_run:
        found = load(environment, reads_list=reads_list)
        return _changes(found, [*_edits(environment, found, wish)], tool)
    # The folder may be made on the way: all processes share the nearest one above it.
    above = next((path for path in folder.parents if is_dir(path)), folder)
    with files.lock(above):
        found = load(environment, reads_list=reads_list)
        edits = [*_edits(environment, found, wish)]
        for edit in edits:
            _write(edit)
    return _changes(found, edits, tool)


class _Edit(NamedTuple):
    """New bytes of one profile, None to remove it, and what it then sets of the switches."""

    file: Path
    before: bytes | None
    after: bytes | None
    assignments: Mapping[str, str | None]


def _changes(found: Profiles, edits: list[_Edit], tool: str) -> tuple[Change, ...]:
    changes = tuple(
        Change(tool, edit.file, name, value, changed=edit.after != edit.before)
        for edit in edits
        for name, value in edit.assignments.items()
    )
    last = found.active[-1].file
    return changes or (Change(tool, last, PLAIN, found.values.get(PLAIN), changed=False),)


def _write(edit: _Edit) -> None:
    if edit.after is None and edit.before is not None:
        files.remove(edit.file.resolve())  # A link that led nowhere stays; its new target goes.
    elif edit.after is not None and edit.after != edit.before:
        files.replace_bytes(edit.file, edit.after)


def _edits(environment: Environment, found: Profiles, wish: Wish) -> Iterator[_Edit]:
    """Plan what each profile should hold; the last active one wins, so the switch goes there."""
    if wish == "undo":
        # Disable may have run while another profile was active: its block is found there too.
        others = [found.folder / f"{name}{_SUFFIX}" for name in other_names(found)]
        active = dict.fromkeys(profile.file for profile in found.active)
        for file in (*active, *others):
            yield from _without_block(environment, file)
        return
    last = found.active[-1].file
    earlier = [profile for profile in found.active if profile.file != last]
    edits = {}
    if wish == "on":
        edits = {e.file: e for p in earlier for e in _without_block(environment, p.file)}
        yield from edits.values()
    inherited: dict[str, str | None] = {}
    for profile in earlier:
        edit = edits.get(profile.file)
        inherited |= _parse(environment, edit) if edit else profile.values
    if _needs_edit(found, last, wish):
        yield _plan_last(environment, last, wish=wish, inherited=inherited)


def _needs_edit(found: Profiles, last: Path, wish: Wish) -> bool:
    """True unless the profiles say already what is wished."""
    plain, prefixed = (found.values.get(name) for name in (PLAIN, PREFIXED))
    if wish == "off":
        return not is_true(plain) or (prefixed is not None and not is_true(prefixed))
    return is_true(plain) or is_true(prefixed) or has_block(_bytes_of(last))


def _bytes_of(file: Path) -> bytes:
    return (files.read_bytes(file, limit=MAX_BYTES) or b"") if is_file(file) else b""


def _without_block(environment: Environment, file: Path) -> Iterator[_Edit]:
    """Plan to take out what disable wrote, if it wrote anything there."""
    before = _bytes_of(file)
    if has_block(before, opts_out_only=True):
        after = remove_block(before, opts_out_only=True)
        edit = _Edit(file, before, after, {})
        yield edit._replace(assignments={PLAIN: _parse(environment, edit).get(PLAIN)})


def _parse(environment: Environment, edit: _Edit) -> dict[str, str | None]:
    try:
        return parse(edit.after or b"", environment.variables)
    except UnicodeDecodeError as error:
        raise FileCorruptError(edit.file, reason="it is not UTF-8") from error


def _plan_last(
    environment: Environment, file: Path, *, wish: Wish, inherited: Mapping[str, str | None]
) -> _Edit:
    """Plan the profile that wins; what the files before it set (`inherited`) is beaten too."""
    before = files.read_bytes(file, limit=MAX_BYTES)
    bare = None if before is None else remove_block(before, opts_out_only=wish == "off")
    edit = _Edit(file, before, bare, {})
    own = _parse(environment, edit)
    reasons = (why_unholdable(name, own[name], environment.variables) for name in own)
    if reason := next((text for text in reasons if text), ""):
        raise FileCorruptError(file, reason=reason)
    values = {**inherited, **own}
    assignments = _assignments(values, wish)
    if not assignments:
        return edit._replace(assignments={PLAIN: values.get(PLAIN)})
    return edit._replace(after=add_block(before, assignments), assignments={**assignments})


def _assignments(values: Mapping[str, str | None], wish: Wish) -> dict[str, str]:
    """Say what a block must set: the prefixed name only where it says otherwise."""
    text = "1" if wish == "off" else "0"
    assignments = {PLAIN: text} if wish == "off" or is_true(values.get(PLAIN)) else {}
    prefixed = values.get(PREFIXED)
    if prefixed is not None and is_true(prefixed) != (wish == "off"):
        assignments[PREFIXED] = text
    return assignments
