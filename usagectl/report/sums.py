"""Sums of a report: of its own data and of its inputs, and whether they still match."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from usagectl.errors import FileCorruptError
from usagectl.machine.file_errors import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

State = Literal["match", "changed", "gone"]


class Checked(NamedTuple):
    """One sum of a report, and whether what it was made of is still the same."""

    file: str  # As the report names it; the report itself for its own data.
    sha256: str  # What the report says.
    state: State


def digest_of(data: Mapping[str, object]) -> str:
    """Return the SHA-256 of a report's `data` without its member `sha256`.

    Its text is JSON with names sorted and no blanks, in UTF-8: what
    `jq -cjS '.data | del(.sha256)'` prints.
    """
    members = {name: value for name, value in data.items() if name != "sha256"}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(
        text.replace("\x7f", "\\u007f").encode("utf-8", "backslashreplace")
    ).hexdigest()


def of_file(file: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file's bytes, and how many there are.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        return found, stream.tell()


def name_of(file: Path, folder: Path) -> str:
    """Name a file from a folder; of one elsewhere the name alone, for its path may tell."""
    try:
        return file.relative_to(folder).as_posix()
    except ValueError:
        return file.name


def read(file: Path) -> dict[str, Any]:
    """Read the data of a report in JSON.

    Raises:
        FileUnreadableError: it cannot be read.
        FileCorruptError: it is no report in JSON.
    """
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise unreadable(file, error) from error
    except (ValueError, RecursionError) as error:
        raise _no_report(file) from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("sha256"), str):
        raise _no_report(file)
    return data


def _no_report(file: Path) -> FileCorruptError:
    hint = "usagectl report -o report.json"
    return FileCorruptError(file, reason="it is no report in JSON", hint=hint)


def check(file: Path, data: Mapping[str, Any], others: Sequence[Path], cwd: Path) -> list[Checked]:
    """Recompute the sums of a report: of its own data, then of each of its inputs.

    An input is looked for among `others`, then from the working folder, then beside the report.

    Raises:
        FileUnreadableError: an input is there and cannot be read.
    """
    own: State = "match" if digest_of(data) == data["sha256"] else "changed"
    inputs = [each for each in _list(data.get("inputs")) if isinstance(each, dict)]
    return [
        Checked(file.name, data["sha256"], own),
        *(_check_input(each, others, (cwd, file.parent)) for each in inputs),
    ]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_input(
    noted: Mapping[str, object], others: Sequence[Path], folders: Sequence[Path]
) -> Checked:
    name, sha256 = str(noted.get("file")), str(noted.get("sha256"))
    named = [each for each in others if each.name == Path(name).name]
    places = named or [folder / name for folder in folders]
    found = [sum_ for place in places if (sum_ := _sum_of(place)) is not None]
    if not found:
        return Checked(name, sha256, "gone")
    return Checked(name, sha256, "match" if sha256 in found else "changed")


def _sum_of(file: Path) -> str | None:
    """Return the sum of a regular file; a report may name a device, which has no end."""
    try:
        return of_file(file)[0] if file.is_file() else None
    except OSError as error:
        raise unreadable(file, error) from error
