"""Additions to files of others that can be taken back, bytes as before: a line, a block, a file.

Each addition carries a mark with its author, and in brackets what else was made for it: the
line end that the file lacked, the file itself, folders above it. `#` begins a comment in
every kind of file that is written so.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from usagectl.errors import FileExistsAlreadyError, FileUnwritableError, quote
from usagectl.machine import files, owners
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.machine.environment import Environment


_DOWN_TO = b", down to its end"
_END = b"# end of what was added"
_LINE_END = "line end"
_NOTE = rb"(?: \[made: (?P<made>[^]\n]*)\])?(?P<block>, down to its end)?\r?\n?$"


class Piece(Value):
    """What a file is to hold: one line, several between two marks, or all of its text."""

    file: Path
    text: str  # Without a line end at its end.
    form: Literal["line", "block", "file"]


class FileChange(Value):
    """One file before and after; None where there is none."""

    file: Path
    before: bytes | None
    after: bytes | None
    folders: int = 0  # How many folders above it go with it.

    @property
    def is_same(self) -> bool:
        """True if there is nothing to write."""
        return self.before == self.after

    def diff(self) -> str:
        """Return the difference as a unified diff, without the lines around it.

        Those may hold tokens: people export them at the end of a start-up file.
        """
        import difflib  # a dry run alone needs it

        old, new = (os.devnull if each is None else str(self.file) for each in self[1:3])
        sides = _lines(self.before), _lines(self.after)
        return "".join(difflib.unified_diff(*sides, old, new, n=0))


def plan_adding(environment: Environment, piece: Piece, *, author: str) -> FileChange:
    """Plan a file that holds a piece once: where an older one stands, or at its end.

    Raises:
        FileExistsAlreadyError: the piece is a whole file, and another's lies there.
        StateError: the file cannot be read or written.
    """
    before = files.read_bytes(piece.file)
    _refuse_unfit(environment, piece.file, is_there=before is not None)
    if piece.form == "line" and "\n" in piece.text:
        raise FileUnwritableError(piece.file, reason="what it has to name holds a line end")
    base, folders = before, len(files.missing_folders(piece.file))
    if before is not None:
        if _holds(before, piece, author):
            return FileChange(piece.file, before, before)
        if piece.form == "file" and not before.startswith(_mark(author)):
            raise FileExistsAlreadyError(piece.file, hint=f"cat {quote(str(piece.file))}")
        base, folders = _without(before, author)
    added = _written(piece, author, made=_made(base, folders), end=_line_end(base or b""))
    return FileChange(piece.file, before, (base or b"") + added)


def plan_removing(environment: Environment, file: Path, *, author: str) -> FileChange:
    """Plan a file without what the author added to it.

    Raises:
        StateError: the file cannot be read or written.
    """
    before = files.read_bytes(file)
    if before is None or _mark(author) not in before:
        return FileChange(file, before, before)
    _refuse_unfit(environment, file, is_there=True)
    return FileChange(file, before, *_without(before, author))


def carry_out(change: FileChange, *, mode: int = 0o600, folder_mode: int = 0o700) -> None:
    """Write a planned change; links stay, and the mode of a file that was there.

    Raises:
        FileUnwritableError: nothing was changed.
    """
    if change.is_same:
        return
    target = Path(os.path.realpath(change.file))
    if change.after is not None:
        missing = files.missing_folders(target)
        files.replace_bytes(change.file, change.after, new_mode=mode)
        for folder in missing:
            folder.chmod(folder_mode)
        return
    files.remove(target)
    with suppress(OSError):  # Somebody else put something there.
        for folder in list(target.parents)[: change.folders]:
            folder.rmdir()


def after_mark(data: bytes, author: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that stand below the author's last mark in a file, each with its number."""
    lines = data.split(b"\n")
    marked = [number for number, line in enumerate(lines) if _mark(author) in line]
    for number in range(marked[-1] + 1, len(lines)) if marked else ():
        yield number + 1, os.fsdecode(lines[number])


def _mark(author: str) -> bytes:
    return f"# added by {author}".encode()


def _made(base: bytes | None, folders: int) -> str:
    """Say what has to be made for a piece beside itself."""
    if base is None:
        return "file" + (f", {folders} above" if folders else "")
    return "" if not base or base.endswith(b"\n") else _LINE_END


def _written(piece: Piece, author: str, *, made: str, end: bytes) -> bytes:
    mark = _mark(author) + (f" [made: {made}]".encode() if made else b"")
    text = os.fsencode(piece.text).replace(b"\n", end)
    if piece.form == "line":
        added = text + b"  " + mark
    elif piece.form == "block":
        added = mark + _DOWN_TO + end + text + end + _END
    else:
        added = mark + end + text
    return (end if made == _LINE_END else b"") + added + end


def _holds(data: bytes, piece: Piece, author: str) -> bool:
    """True if a file holds a piece already, wherever it stands; not where it is commented out."""
    text, mark = os.fsencode(piece.text), _mark(author)
    if piece.form == "line":
        line = re.escape(text + b"  " + mark)
        return re.search(rb"^[ \t]*" + line, data, re.MULTILINE) is not None
    return mark in data and text + b"\n" in data.replace(b"\r\n", b"\n")


def _without(data: bytes, author: str) -> tuple[bytes | None, int]:
    """Return a file's bytes without its pieces, None if it was made for one; and the folders.

    A block whose end somebody took away stays: what belongs to it cannot be told.
    """
    mark = re.compile(re.escape(_mark(author)) + _NOTE)
    kept: list[bytes] = []
    made, joined_at, is_inside = b"", -1, False
    for number, line in enumerate(re.findall(rb"[^\n]*\n|[^\n]+", data)):
        found = mark.search(line)
        if is_inside:
            is_inside = not line.startswith(_END)
        elif found is None:
            kept.append(line)
        elif number == 0 and found.start() == 0 and not found["block"]:
            return None, _folders_of(found["made"])
        else:
            made, is_inside = made or found["made"] or b"", bool(found["block"])
            joined_at = len(kept) if found["made"] == _LINE_END.encode() else joined_at
    if is_inside:
        return data, 0
    if kept and joined_at == len(kept):
        kept = [b"".join(kept).removesuffix(b"\n")]
        if _line_end(kept[0]) == b"\r\n":  # Else a CR at its end is the file's own.
            kept[0] = kept[0].removesuffix(b"\r")
    is_ours = made.startswith(b"file") and not kept
    return (None, _folders_of(made)) if is_ours else (b"".join(kept), 0)


def _folders_of(made: bytes | None) -> int:
    digits = re.search(rb"([0-9]{1,2}) above", made or b"")
    return int(digits[1]) if digits else 0


def _line_end(data: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in data[-4096:] else b"\n"


def _lines(data: bytes | None) -> list[str]:
    text = (data or b"").decode("utf-8", "backslashreplace")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n\\ No newline at end of file\n"
    return lines


def _refuse_unfit(environment: Environment, file: Path, *, is_there: bool) -> None:
    """Raise where a replacement would take a file from its owner, or pass its mode by.

    Raises:
        FileUnwritableError: it belongs to another user, or nobody may write to it.
    """
    if "\n" in str(file):
        raise FileUnwritableError(file, reason="its path holds a line end")
    if not is_there:
        return
    found = Path(os.path.realpath(file)).stat()
    known = owners.trusted(environment)
    if known and (found.st_uid not in known or (found.st_uid == 0 and environment.uid != 0)):
        reason = f"it belongs to {owners.name_of(found.st_uid)}"
        hint = owners.hint_to_own(str(file), environment.uid or 0)
        raise FileUnwritableError(file, reason=reason, hint=hint)
    if not stat.S_IMODE(found.st_mode) & 0o222:
        reason = "it is read-only"
        raise FileUnwritableError(file, reason=reason, hint=f"chmod u+w {quote(str(file))}")
