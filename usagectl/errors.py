"""The errors that usagectl raises on purpose: code, exit status, sentence, next step.

Each class writes its own sentence from data, so raise sites pass data, never
prose. Anything else that escapes is a bug and keeps its traceback.

    UsagectlError
    ├── ExpectationFailedError      exit status 1
    ├── SwitchIneffectiveError      exit status 1
    ├── UsageError                  exit status 2
    │   ├── ConfirmationNeededError
    │   ├── UnknownToolError
    │   ├── UnknownEventError
    │   └── InvalidValueError
    ├── StateError                  exit status 3
    │   ├── LibraryMissingError
    │   ├── FolderUnknownError
    │   ├── FileUnreadableError
    │   ├── FileUnwritableError
    │   ├── FileExistsAlreadyError
    │   ├── FileCorruptError
    │   ├── FileUneditableError
    │   ├── LinkOutsideError
    │   ├── NoEventsError
    │   └── LockTimeoutError
    └── SpoolUnwritableError        exit status 4

An error that one module alone raises stands in that module. Exit status 5 belongs to an
incomplete delivery. No sentence holds a value of an event, a token or an environment value that
may be secret (design, rule 3).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def quote(word: str) -> str:
    """Quote a word of a command that a hint gives."""
    from shlex import quote as quote_word  # few commands fail, and each would load it

    return quote_word(word)


def count_of(count: int, noun: str, plural: str = "") -> str:
    """Count in words: "1 event", "3 events"; a plural other than with an s is given."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or f'{noun}s'}"


def hint_of_folder(variable: str) -> str:
    """Return a command that gives an account without a home a folder that can be."""
    return f'export {variable}="$(mktemp -d)"'


class UsagectlError(Exception):
    """What went wrong, under a stable code, with a next step.

    Attributes:
        code: stable, kebab-case; scripts may rely on it.
        exit_status: what the command line returns (design, section 3).
        message: one sentence for a person.
        hint: a command that helps, or an empty string.
        unwritable: the file or folder that could not be written, if that was it.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 3
    unwritable: Path | None = None

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ExpectationFailedError(UsagectlError):
    """Something the user expects of their tools is not so."""

    code = "expectation-failed"
    exit_status = 1

    def __init__(self, expected: str, *, offending: Sequence[str], hint: str) -> None:
        super().__init__(
            f"Expected every tool to be {expected}; not so: {', '.join(offending)}.", hint=hint
        )


class SwitchIneffectiveError(UsagectlError):
    """A tool part did not follow its switch."""

    code = "switch-ineffective"
    exit_status = 1

    def __init__(self, part: str, *, state: str, because: str, hint: str) -> None:
        super().__init__(f"{part} stays {state}: {because}.", hint=hint)


class UsageError(UsagectlError):
    """The words of the command line do not fit."""

    code = "usage"
    exit_status = 2


class ConfirmationNeededError(UsageError):
    """A question has to be answered, nobody can be asked, and --yes was not given."""

    code = "confirmation-needed"

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(f"Nobody can be asked here whether to {what}: say --yes.", hint=hint)


def nearest(name: str, candidates: Sequence[str], *, cutoff: float = 0.6) -> str:
    """Return the candidate that a mistyped name resembles most; empty where none does."""
    from difflib import get_close_matches  # a slip of the finger alone needs it

    return next(iter(get_close_matches(name, candidates, n=1, cutoff=cutoff)), "")


def _guess(name: str, candidates: Sequence[str]) -> str:
    near = nearest(name.lower(), candidates)
    return f" Did you mean {near}?" if near else ""


_MOST_NAMES = 12
"""As many names of tools a person reads in a sentence; more are a list of their own."""


class UnknownToolError(UsageError):
    """No tool goes by that name."""

    code = "unknown-tool"

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        listed = f"{len(known)} tools" if len(known) > _MOST_NAMES else ", ".join(known)
        super().__init__(
            f"{name!r} is not a tool that usagectl knows.{_guess(name, known)} It knows {listed}.",
            hint="usagectl status --all",
        )


class UnknownEventError(UsageError):
    """Neither the notice nor the known departures name that event, field or departure."""

    code = "unknown-event"

    def __init__(
        self,
        name: str,
        *,
        known: Sequence[str],
        candidates: Sequence[str] = (),
        what: str = "an event or field",
    ) -> None:
        super().__init__(
            f"{name!r} is not {what} that usagectl knows.{_guess(name, candidates)} "
            f"It knows {', '.join(known)}.",
            hint="usagectl explain",
        )


class InvalidValueError(UsageError):
    """A value typed by the user cannot be taken; the sentence says what can."""

    code = "invalid-value"

    def __init__(self, what: str, value: str, *, wanted: str, hint: str = "") -> None:
        super().__init__(f"{value!r} is not a valid {what}: {wanted}.", hint=hint)


class StateError(UsagectlError):
    """A settings or state file or folder, or a library, cannot be used."""

    code = "state"
    exit_status = 3


class FolderUnknownError(StateError):
    """There is no folder to keep something in (no home, say)."""

    code = "folder-unknown"

    def __init__(self, what: str, *, variable: str) -> None:
        super().__init__(
            f"No folder is known for {what}: this account has no home.",
            hint=hint_of_folder(variable),
        )


def install_line(*libraries: str) -> str:
    """Return the command that installs libraries beside usagectl, whatever else PATH has."""
    return f"{quote(sys.executable or 'python')} -m pip install {' '.join(libraries)}"


class LibraryMissingError(StateError):
    """A library of the program is not installed: `usagectl-core` alone brings none of them."""

    code = "library-missing"

    def __init__(self, library: str) -> None:
        super().__init__(
            f"{library} is not installed, which comes with the program usagectl.",
            hint="python -m pip install usagectl",
        )


class _FileError(StateError):
    verb: ClassVar[str]

    def __init__(self, file: Path, *, reason: str, hint: str = "") -> None:
        there = next((p for p in (file, *file.parents) if os.path.lexists(p)), file)
        super().__init__(
            f"{file} {self.verb}: {reason}.", hint=hint or f"ls -ld {quote(str(there))}"
        )


class FileUnreadableError(_FileError):
    """A file is there but cannot be read."""

    code = "file-unreadable"
    verb = "cannot be read"


class FileUnwritableError(_FileError):
    """A file cannot be written; what was there is unchanged."""

    code = "file-unwritable"
    verb = "cannot be written"

    def __init__(self, file: Path, *, reason: str, hint: str = "") -> None:
        super().__init__(file, reason=reason, hint=hint)
        self.unwritable = file


class FileExistsAlreadyError(StateError):
    """A file is there already, and was not to be replaced."""

    code = "file-exists"

    def __init__(self, file: Path, *, hint: str = "") -> None:
        super().__init__(
            f"{file} is there already; it stays as it is.",
            hint=hint or f"usagectl spool export --force {quote(str(file))}",
        )


class FileCorruptError(_FileError):
    """A file does not hold what it should."""

    code = "file-corrupt"
    verb = "cannot be understood"


class FileUneditableError(_FileError):
    """A tool's own file cannot be changed in one key alone; it is as it was."""

    code = "file-uneditable"
    verb = "cannot be edited"

    def __init__(self, file: Path, *, name: str, hint: str = "") -> None:
        reason = (
            f"{name} cannot be changed in it without changing something else, so it is as it was"
        )
        super().__init__(file, reason=reason, hint=hint or f"cat {quote(str(file))}")


class NoEventsError(StateError):
    """What should hold events holds none."""

    code = "no-events"

    def __init__(
        self,
        source: str,
        *,
        bad_lines: int,
        is_file: bool = True,
        reason: str = "",
        hint: str = "",
    ) -> None:
        look = f"head -c 300 {quote(source)}" if is_file and source != "-" else ""
        held = f"{count_of(bad_lines, 'line')} and " if bad_lines else ""
        because = f"; {reason}" if reason else ""
        super().__init__(f"{source} holds {held}no event{because}.", hint=hint or look)


class LinkOutsideError(StateError):
    """A link leads out of the folder it stands in, so it is not followed."""

    code = "link-outside"

    def __init__(self, file: Path, *, target: Path) -> None:
        super().__init__(
            f"{file} is a link that leads out of its folder, to {target}; it is not followed.",
            hint=f"rm {quote(str(file))}",
        )


class LockTimeoutError(StateError):
    """Another process held a lock for too long."""

    code = "locked"

    def __init__(self, folder: Path, *, seconds: float) -> None:
        super().__init__(
            f"{folder} is locked by another process (waited {seconds:g} s).",
            hint="try again when the other usagectl has ended",
        )


class SpoolUnwritableError(UsagectlError):
    """The spool cannot be written or emptied."""

    code = "spool-unwritable"
    exit_status = 4

    def __init__(self, folder: Path, *, reason: str, hint: str = "") -> None:
        super().__init__(
            f"The spool {folder} cannot be written: {reason}.",
            hint=hint or f"ls -ld {quote(str(folder))}",
        )
        self.unwritable = folder
