"""Records of what `disable` wrote into the files of tools, from which `enable` takes it back.

A record holds splices and never a copy: a tool's file may hold tokens. As long as a file is as
disable left it, its bytes come back exactly; in one that was changed since, the key does.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from usagectl.catalogue.entry import Dialect, Format
from usagectl.errors import (
    FileCorruptError,
    FileUnwritableError,
    FolderUnknownError,
    quote,
)
from usagectl.machine import files, owners
from usagectl.machine.environment import STATE_DIR_VARIABLE
from usagectl.tools import editing
from usagectl.tools.editing import Splice, Syntax
from usagectl.tools.forms import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.machine.environment import Environment

_FOLDER = "switched"
_SCHEMA = 1
_MAX_BYTES = 1024 * 1024


class Step(NamedTuple):
    """One key that was written: where, the value before and after, and the bytes."""

    key: tuple[str, ...]
    before: object  # MISSING where there was none.
    wrote: object
    made: int  # How many of the tables on its way were made for it.
    splice: Splice


class Written(NamedTuple):
    """One file that disable changed."""

    path: Path
    syntax: Syntax
    digest: str  # SHA-256 of the bytes that disable left.
    is_new: bool  # Whether it made the file.
    folders: tuple[Path, ...] = ()  # The folders that it made for it, the outermost first.
    steps: tuple[Step, ...] = ()


def digest_of(data: bytes) -> str:
    """Return what tells whether a file is still as disable left it."""
    return sha256(data).hexdigest()


def recorded(environment: Environment) -> tuple[str, ...]:
    """Name the tools of which a record is kept, the one that was written last first."""
    folder = environment.state_dir
    if folder is None:
        return ()
    with suppress(OSError):
        found = [(each.stat().st_mtime_ns, each.stem) for each in (folder / _FOLDER).glob("*.json")]
        return tuple(name for _, name in sorted(found, reverse=True))
    return ()


def load(environment: Environment, tool: str) -> tuple[Written, ...]:
    """Read what disable wrote for a tool; nothing without a record.

    Raises:
        FileUnreadableError: the record may not be read.
        FileCorruptError: the record cannot be understood.
    """
    file = _file(environment, tool)
    data = files.read_bytes(file, limit=_MAX_BYTES) if file else None
    if file is None or data is None:
        return ()
    try:
        record = json.loads(data)
        _require_ours(record)
        written = tuple(map(_from_data, record["files"]))
        return tuple(_moved(each, record.get("home"), environment.home) for each in written)
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError) as error:
        hint = f"rm {quote(str(file))} && usagectl enable {tool}"
        raise FileCorruptError(file, reason="it is no record of disable", hint=hint) from error


def save(environment: Environment, tool: str, written: Sequence[Written]) -> None:
    """Keep what disable wrote; without anything the record is removed.

    Raises:
        FolderUnknownError: there is no folder for it.
        FileUnwritableError: the old record is as it was.
    """
    file = _file(environment, tool)
    if file is None:
        raise FolderUnknownError("what disable writes", variable=STATE_DIR_VARIABLE)
    if not written:
        files.remove(file)
        with suppress(OSError):
            file.parent.rmdir()
        return
    home = str(environment.home) if environment.home else None
    record = {"schema": _SCHEMA, "home": home, "files": [_as_data(each) for each in written]}
    files.replace_bytes(file, json.dumps(record, indent=1).encode() + b"\n")


def undo(written: Written, data: bytes) -> bytes | None:
    """Return what a file should hold again; None if it is to be removed.

    Raises:
        FileCorruptError: the file was changed, and cannot be understood.
        FileUneditableError: it was changed into a form that allows no edit.
    """
    if digest_of(data) == written.digest:
        if written.is_new:
            return None
        if (before := _undo_bytes(written, data)) is not None:
            return before
    for step in reversed(written.steps):
        data = _undo_key(written, step, data)
    is_empty = written.is_new and not editing.value_of(written.path, written.syntax, data, ())
    return None if is_empty and written.syntax.form != "marker" else data


def remove_folders(written: Written) -> None:
    """Remove the folders that were made for a file, as far as they are empty."""
    with suppress(OSError):
        for folder in reversed(written.folders):
            if folder in Path(os.path.realpath(written.path)).parents:
                folder.rmdir()


def refuse_foreign(environment: Environment, tool: str, path: Path) -> None:
    """Refuse to let a user's record lead root's hand to files of others.

    Raises:
        FileUnwritableError: as root, of a file that does not belong to the record's owner.
    """
    record = _file(environment, tool)
    if environment.uid != owners.ROOT or record is None:
        return
    with suppress(OSError, ValueError):
        owner = record.stat().st_uid
        there = next(each for each in (path, *path.parents) if os.path.lexists(each))
        if owner not in (owners.ROOT, found := there.lstat().st_uid):
            names = owners.name_of(found), owners.name_of(owner)
            reason = "it belongs to {}, and {} alone kept the record of it".format(*names)
            raise FileUnwritableError(path, reason=reason, hint=f"ls -l {quote(str(record))}")


def _undo_bytes(written: Written, data: bytes) -> bytes | None:
    """Take every splice back; None where one does not fit, as in a record that was damaged."""
    for step in reversed(written.steps):
        splice = step.splice
        if splice.at < 0 or not data.startswith(splice.inserted, splice.at):
            return None
        data = splice.undo(data)
    return data


def _undo_key(written: Written, step: Step, data: bytes) -> bytes:
    """Give a key its old value back, unless somebody gave it another one."""
    path, syntax = written.path, written.syntax
    if syntax.form == "marker" or not _is_same(
        editing.value_of(path, syntax, data, step.key), step.wrote
    ):
        return data
    if step.before is MISSING:
        return editing.take_out(path, syntax, data, step.key, made=step.made)
    return editing.edit(path, syntax, data, step.key, step.before)


def _is_same(found: object, wrote: object) -> bool:
    if isinstance(found, str):
        return found.strip() == editing.as_text(wrote)
    return type(found) is type(wrote) and found == wrote


def _file(environment: Environment, tool: str) -> Path | None:
    folder = environment.state_dir
    return folder / _FOLDER / f"{tool}.json" if folder else None


def _require_ours(record: dict[str, object]) -> None:
    """Raise ValueError for a record of another release, whose members may mean something else."""
    if record["schema"] != _SCHEMA:
        raise ValueError(record["schema"])


def _moved(written: Written, old: str | None, home: Path | None) -> Written:
    """Find a file again whose home has another name since."""
    path = written.path
    if old is None or home is None or os.path.lexists(path) or not path.is_relative_to(old):
        return written
    here = home / path.relative_to(old)
    folders = (home / each.relative_to(old) for each in written.folders if each.is_relative_to(old))
    is_there = os.path.lexists(here)
    return written._replace(path=here, folders=tuple(folders)) if is_there else written


def _as_data(written: Written) -> dict[str, object]:
    return {
        "path": str(written.path),
        "form": written.syntax.form,
        "dialect": written.syntax.dialect,
        "digest": written.digest,
        "is_new": written.is_new,
        "folders": list(map(str, written.folders)),
        "steps": [_step_data(each) for each in written.steps],
    }


def _step_data(step: Step) -> dict[str, object]:
    before = {} if step.before is MISSING else {"before": step.before}
    return {
        "key": list(step.key),
        **before,
        "wrote": step.wrote,
        "made": step.made,
        "at": step.splice.at,
        "removed": b64encode(step.splice.removed).decode(),
        "inserted": b64encode(step.splice.inserted).decode(),
    }


def _from_data(data: dict[str, Any]) -> Written:
    if data["form"] not in get_args(Format) or data["dialect"] not in get_args(Dialect):
        raise ValueError(data["form"])
    return Written(
        path=Path(data["path"]),
        syntax=Syntax(data["form"], data["dialect"]),
        digest=str(data["digest"]),
        is_new=bool(data["is_new"]),
        folders=tuple(map(Path, data["folders"])),
        steps=tuple(map(_step_from_data, data["steps"])),
    )


def _step_from_data(data: dict[str, Any]) -> Step:
    removed, inserted = b64decode(data["removed"]), b64decode(data["inserted"])
    return Step(
        key=tuple(map(str, data["key"])),
        before=data.get("before", MISSING),
        wrote=data["wrote"],
        made=int(data["made"]),
        splice=Splice(int(data["at"]), removed, inserted),
    )
