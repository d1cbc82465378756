"""Files in which authors describe their own tools, in the form of the catalogue's entries."""

from __future__ import annotations

import tomllib
from itertools import chain
from typing import TYPE_CHECKING, Any

from usagectl.catalogue import checking
from usagectl.catalogue.entry import Entry
from usagectl.errors import FileUnreadableError, UsagectlError
from usagectl.machine.files import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_DEFAULTS: Mapping[str, object] = {
    "summary": "what its author says",
    "how": "wire",
    "version": "unknown",
    "date": "2000-01-01",
    "source": "its author's file",
    "default": "on",
}
"""What the catalogue demands of an entry and an author need not write."""


class VerifyFileError(UsagectlError):
    """An author's file has an unknown, missing or invalid key."""

    code = "verify-file"
    exit_status = 2

    def __init__(self, file: Path, key: str, *, found: str, wanted: str) -> None:
        super().__init__(
            f"{file}: {key} is {found}; wanted: {wanted}.", hint="usagectl verify --help"
        )
        self.key = key


def read(file: Path) -> Entry:
    """Read an author's file, in the form of the catalogue's entries.

    Raises:
        FileUnreadableError: it cannot be read.
        VerifyFileError: it is not TOML, or a key is unknown, missing or invalid.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileUnreadableError(file, reason=reason_of(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VerifyFileError(
            file, "the file", found=f"no TOML ({error})", wanted="TOML"
        ) from error
    if "module" in data:
        raise VerifyFileError(file, "module", found="there", wanted="the forms of [[switch]]")
    whole = {**_DEFAULTS, **data}
    for key, found, wanted in chain(checking.faults_of(whole), _missing(whole)):
        raise VerifyFileError(file, key, found=found, wanted=wanted)
    return Entry(whole)


def _missing(data: Mapping[str, Any]) -> Iterator[checking.Fault]:
    """Yield what is missing to run it, which an entry of the catalogue may leave out."""
    if not data["detect"].get("executables"):
        yield "detect.executables", "missing", 'the names of its programs: ["mytool"]'
    if not data.get("verify", {}).get("commands"):
        yield "verify.commands", "missing", 'command lines that send: ["mytool build"]'
    if not data.get("switch"):
        yield "switch", "missing", "a [[switch]] for each way to switch it off"
