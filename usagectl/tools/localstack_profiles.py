"""Switching of LocalStack: which bytes its profile files get, and how they come back.

One marked block is added or removed at the end of a file, where the last
assignment wins; no other byte is touched.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileCorruptError, FolderUnknownError
from usagectl.machine import files
from usagectl.tools.base import Change, is_file
from usagectl.tools.localstack_client import (
    MAX_BYTES,
    NAME,
    PLAIN,
    PREFIXED,
    is_true,
    other_files,
    possible_clients,
    why_unholdable,
)
from usagectl.tools.localstack_dotenv import ExpansionTooLargeError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Wish
    from usagectl.tools.localstack_client import LocalStackClient, Profiles

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
    matches = blocks(data, opts_out_only=opts_out_only)
    rest = data
    for match in reversed(matches):
        head, tail = rest[: match.start()], rest[match.end() :]
        if _LINE_ADDED in match["notes"] and not tail:
            head = head.removesuffix(b"\n")
        rest = head + tail
    is_ours = any(_FILE_ADDED in match["notes"] for match in matches)
    return None if not rest and is_ours else rest


def blocks(data: bytes, *, opts_out_only: bool = False) -> list[re.Match[bytes]]:
    """Find usagectl's blocks in a profile."""
    found = re.finditer(_BLOCK, data)
    return [match for match in found if not opts_out_only or b"=1" in match["lines"]]


def switch(environment: Environment, wish: Wish, *, dry_run: bool) -> tuple[Change, ...]:
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
    # Another user could hold the lock of a home that is open to all.
    own = environment.state_dir
    with nullcontext() if dry_run or own is None else files.lock(own):
        client = _concerned_client(environment, wish)
        found = client.profiles
        edits = [*_edits(client, wish)]
        if not dry_run:
            for edit in edits:
                _write(edit)
    return _changes(found, edits)


def _concerned_client(environment: Environment, wish: Wish) -> LocalStackClient:
    """Return the client that has to be written for, of those that may be here."""
    clients = possible_clients(environment)
    needy = (each for each in clients if wish != "undo" and _needs_edit(each.profiles, wish))
    return next(needy, clients[0])


class _Edit(NamedTuple):
    """New bytes of one profile, None to remove it, and what it then sets of the switches."""

    file: Path
    before: bytes | None
    after: bytes | None
    assignments: Mapping[str, str | None]


def _changes(found: Profiles, edits: list[_Edit]) -> tuple[Change, ...]:
    changes = tuple(
        Change(NAME, edit.file, name, value, changed=edit.after != edit.before)
        for edit in edits
        for name, value in edit.assignments.items()
    )
    last = found.active[-1].file
    return changes or (Change(NAME, last, PLAIN, found.values.get(PLAIN), changed=False),)


def _write(edit: _Edit) -> None:
    if edit.after == edit.before:
        return
    if edit.after is None:
        files.remove(edit.file.resolve())  # A link that led nowhere stays; its new target goes.
    else:
        files.replace_bytes(edit.file, edit.after)


def _edits(client: LocalStackClient, wish: Wish) -> Iterator[_Edit]:
    """Plan what each profile should hold; the last active one wins, so the switch goes there."""
    found = client.profiles
    if wish == "undo":
        # Disable may have run while another profile was active: its block is found there too.
        active = dict.fromkeys(profile.file for profile in found.active)
        for file in (*active, *other_files(found)):
            yield from _without_block(client, file)
        return
    last = found.active[-1].file
    earlier = [profile for profile in found.active if profile.file != last]
    edits = {}
    if wish == "on":
        edits = {e.file: e for p in earlier for e in _without_block(client, p.file)}
        yield from edits.values()
    inherited: dict[str, str | None] = {}
    for profile in earlier:
        edit = edits.get(profile.file)
        inherited |= _parse(client, edit) if edit else profile.values
    if _needs_edit(found, wish):
        yield _plan_last(client, last, wish=wish, inherited=inherited)


def _needs_edit(found: Profiles, wish: Wish) -> bool:
    """True unless the profiles say already what is wished."""
    plain, prefixed = (found.values.get(name) for name in (PLAIN, PREFIXED))
    if wish == "off":
        return not is_true(plain) or (prefixed is not None and not is_true(prefixed))
    return is_true(plain) or is_true(prefixed) or bool(blocks(_bytes_of(found.active[-1].file)))


def _bytes_of(file: Path) -> bytes:
    return (files.read_bytes(file, limit=MAX_BYTES) or b"") if is_file(file) else b""


def _without_block(client: LocalStackClient, file: Path) -> Iterator[_Edit]:
    """Plan to take out what disable wrote, if it wrote anything there."""
    before = _bytes_of(file)
    if blocks(before, opts_out_only=True):
        after = remove_block(before, opts_out_only=True)
        edit = _Edit(file, before, after, {})
        yield edit._replace(assignments={PLAIN: _parse(client, edit).get(PLAIN)})


def _parse(client: LocalStackClient, edit: _Edit) -> dict[str, str | None]:
    try:
        return parse(edit.after or b"", client.environment.variables, client.dialect)
    except UnicodeDecodeError as error:
        raise FileCorruptError(edit.file, reason="it is not UTF-8") from error
    except ExpansionTooLargeError as error:
        raise FileCorruptError(edit.file, reason="its values are too long") from error


def _plan_last(
    client: LocalStackClient, file: Path, *, wish: Wish, inherited: Mapping[str, str | None]
) -> _Edit:
    """Plan the profile that wins; what the files before it set (`inherited`) is beaten too."""
    before = files.read_bytes(file, limit=MAX_BYTES)
    bare = None if before is None else remove_block(before, opts_out_only=wish == "off")
    edit = _Edit(file, before, bare, {})
    own = _parse(client, edit)
    if reason := why_unholdable(own, client.environment.variables):
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
