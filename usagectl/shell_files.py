"""Opt-outs for every shell of a user: files of ours, and the line that has a shell read them.

The start-up files, and why these:
- bash reads `.bashrc` where it is interactive, and as a login shell the first of
  `.bash_profile`, `.bash_login` and `.profile`. Debian's `.bashrc` returns at its top unless
  the shell is interactive, so that `bash -lc`, `ssh` and `sh` depend on the login file.
  A bash script that neither started has the variables of whoever started it.
- zsh reads `.zshenv` always: in scripts and from cron, where `.zshrc` is not read. It is
  the one in `$ZDOTDIR`, or in the home if it sets ZDOTDIR itself.
- fish and PowerShell have one file each. A redirected Documents folder is not looked for.
- systemd gives `environment.d` to what a desktop session starts.
"""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from usagectl.errors import FolderUnknownError, StateError, UsagectlError
from usagectl.machine import files, marked_files, shells
from usagectl.machine.environment import CONFIG_DIR_VARIABLE
from usagectl.machine.marked_files import FileChange, Piece
from usagectl.tools.base import find_executable
from usagectl.tools.opt_outs import opt_out_variables
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from usagectl.machine.environment import Environment

Wanted = TypeVar("Wanted")

AUTHOR = "usagectl disable --shell"

_READ_BY = "# read by "
_LOGIN_FILES = (".bash_profile", ".bash_login", ".profile")
_LINES: Mapping[str, tuple[Callable[[str], str], str]] = {
    "sh": (shells.quote_posix, "if [ -r {0} ]; then . {0}; fi"),
    "fish": (shells.quote_fish, "if test -r {0}; source {0}; end"),
    "ps1": (
        shells.quote_powershell,
        "if (Test-Path -LiteralPath ({0}) -PathType Leaf) {{ . ({0}) }}",
    ),
}
_ASSIGNMENT = re.compile(
    r"\s*(?:(?:export\s+)?(?P<sh>\w+)=|set(?:\s+-\S+)+\s+(?P<fish>\w+)\s+|\$env:(?P<ps1>\w+)\s*=\s*)"
    r"(?P<quote>[\"']?)(?P<value>[^\"'$`\\;#\s]*)(?P=quote)\s*(?:[;#]|$)"
)
_FORMATS = {"sh": "bash", "fish": "fish", "ps1": "powershell"}


class FilesResult(Value):
    """What was written, or would be, and what could not be."""

    changes: tuple[FileChange, ...]
    problems: tuple[UsagectlError, ...] = ()


class Contrary(Value):
    """A line of a start-up file that sets an opt-out otherwise after it was set."""

    file: Path
    number: int
    name: str
    value: str


def disable(environment: Environment, *, dry_run: bool = False) -> FilesResult:
    """Have every shell of this user read all opt-outs.

    Raises:
        FolderUnknownError: this account has no home.
        LockTimeoutError: another process writes the same files.
    """
    folder = _require_folder(environment)
    with _locked(environment, folder, dry_run=dry_run):
        return write(
            _pieces(environment, folder),
            lambda piece: marked_files.plan_adding(environment, piece, author=AUTHOR),
            dry_run=dry_run,
        )


def enable(environment: Environment, *, dry_run: bool = False) -> FilesResult:
    """Take out what `disable` wrote, and no more.

    Raises:
        FolderUnknownError: this account has no home.
        LockTimeoutError: another process writes the same files.
    """
    folder = _require_folder(environment)
    own = [folder / f"opt-out.{syntax}" for syntax in ("ps1", "fish", "sh")]
    with _locked(environment, folder, dry_run=dry_run):
        written = [*map(Path, _recorded(folder)), *_possible_files(environment)]
        return write(
            dict.fromkeys([*reversed(written), *own]),
            lambda file: marked_files.plan_removing(environment, file, author=AUTHOR),
            dry_run=dry_run,
        )


def _pieces(environment: Environment, folder: Path) -> list[Piece]:
    """List our own files, then the lines that have them read.

    The first keeps the names of all the others, so that `enable` finds them again.
    """
    places = [*_start_up_files(environment)]
    session = [Piece(each, settings_text(), "file") for each in _session_files(environment)]
    lines = [
        Piece(place, line_for(folder / f"opt-out.{syntax}", syntax), "line")
        for place, syntax in places
    ]
    readers = dict.fromkeys((*_recorded(folder), *(str(each.file) for each in lines + session)))
    syntaxes = dict.fromkeys(syntax for _, syntax in places if syntax != "sh")
    return [
        Piece(folder / "opt-out.sh", _own_text("sh", readers), "file"),
        *(Piece(folder / f"opt-out.{each}", _own_text(each), "file") for each in syntaxes),
        *lines,
        *session,
    ]


def is_on(environment: Environment) -> bool:
    """True if the opt-outs for shells are written."""
    folder = environment.config_dir
    return folder is not None and os.path.lexists(folder / "opt-out.sh")


def write(
    wanted: Iterable[Wanted],
    plan: Callable[[Wanted], FileChange],
    *,
    dry_run: bool,
    mode: int = 0o600,
    folder_mode: int = 0o700,
) -> FilesResult:
    """Plan and write one file after the other; one that cannot be written stops no other."""
    changes, problems = [], []
    for each in wanted:
        try:
            change = plan(each)
            if not dry_run:
                marked_files.carry_out(change, mode=mode, folder_mode=folder_mode)
            changes.append(change)
        except StateError as error:
            problems.append(error)
    return FilesResult(tuple(changes), tuple(problems))


def contraries(changes: Iterable[FileChange], *, author: str) -> Iterator[Contrary]:
    """Yield the plain assignments below our line that say something else of an opt-out."""
    wanted = opt_out_variables()
    for change in changes:
        for number, line in marked_files.after_mark(change.after or b"", author):
            found = _ASSIGNMENT.match(line)
            name = (found["sh"] or found["fish"] or found["ps1"]) if found else ""
            if found and found["value"] != wanted.get(name, found["value"]):
                yield Contrary(change.file, number, name, found["value"])


def line_for(file: Path, syntax: str) -> str:
    """Return the line that has a shell read a file, silently if it is gone."""
    quote, line = _LINES[syntax]
    return line.format(quote(str(file)))


def exports_text(syntax: str) -> str:
    """Return the commands that set every opt-out in a shell, without the last line end."""
    return shells.render(opt_out_variables(), _FORMATS[syntax]).rstrip("\n")


def settings_text() -> str:
    """Return every opt-out as systemd's files have it: `NAME=value`, a line each."""
    return shells.render(opt_out_variables(), "dotenv").rstrip("\n")


def _own_text(syntax: str, readers: Iterable[str] = ()) -> str:
    return "\n".join(
        [*(f"{_READ_BY}{each}" for each in readers if "\n" not in each), exports_text(syntax)]
    )


def _recorded(folder: Path) -> Sequence[str]:
    """List the files that an earlier run had written to."""
    data = files.read_bytes(folder / "opt-out.sh") or b""
    lines = os.fsdecode(data).split("\n")
    return [each.removeprefix(_READ_BY) for each in lines if each.startswith(_READ_BY)]


def _require_folder(environment: Environment) -> Path:
    if environment.config_dir is None or environment.home is None:
        raise FolderUnknownError("the opt-outs for shells", variable=CONFIG_DIR_VARIABLE)
    return environment.config_dir


def _locked(
    environment: Environment, folder: Path, *, dry_run: bool
) -> AbstractContextManager[None]:
    return nullcontext() if dry_run else files.lock(environment.state_dir or folder)


def _start_up_files(environment: Environment) -> Iterator[tuple[Path, str]]:
    """Yield the start-up files of the shells that are here, each once, with their syntax."""
    seen: set[str] = set()
    for programs, syntax, places in _shells(environment):
        is_here = any(find_executable(each, environment) for each in programs)
        for place, is_made in places:
            is_wanted = os.path.lexists(place) or (is_here and is_made)
            real = os.path.realpath(place)
            if is_wanted and real not in seen:
                seen.add(real)
                yield place, syntax


def _shells(
    environment: Environment,
) -> Iterator[tuple[tuple[str, ...], str, list[tuple[Path, bool]]]]:
    """Yield each shell: its programs, its syntax, its files and whether a missing one is made."""
    home, settings = environment.home or Path("/"), _settings_dir(environment)
    login = next((n for n in _LOGIN_FILES if os.path.lexists(home / n)), _LOGIN_FILES[-1])
    yield ("bash",), "sh", [(home / ".bashrc", True)]
    yield ("bash", "sh"), "sh", [(home / login, True)]  # Alpine, for one, has no bash.
    chosen = environment.variables.get("ZDOTDIR", "")
    moved = [(environment.cwd / chosen / ".zshenv", True)] if chosen else []
    yield ("zsh",), "sh", [*moved, (home / ".zshenv", not moved)]
    yield ("fish",), "fish", [(settings / "fish" / "config.fish", True)]
    if environment.system == "Windows":
        for program, name in (("pwsh", "PowerShell"), ("powershell", "WindowsPowerShell")):
            yield (program,), "ps1", [(home / "Documents" / name / "profile.ps1", True)]
    else:
        yield ("pwsh",), "ps1", [(settings / "powershell" / "profile.ps1", True)]


def _possible_files(environment: Environment) -> Iterator[Path]:
    """Yield every file that `disable` may have written to on this machine."""
    home = environment.home or Path("/")
    yield from (home / name for name in _LOGIN_FILES)
    for _, _, places in _shells(environment):
        yield from (place for place, _ in places)
    yield _session_path(environment)


def _settings_dir(environment: Environment) -> Path:
    """Return the folder of programs' settings, as fish, PowerShell and systemd find it."""
    chosen = environment.variables.get("XDG_CONFIG_HOME", "")
    home = environment.home or Path("/")
    return Path(chosen) if os.path.isabs(chosen) else home / ".config"  # noqa: PTH117


def _session_path(environment: Environment) -> Path:
    return _settings_dir(environment) / "environment.d" / "60-usagectl.conf"


def _session_files(environment: Environment) -> list[Path]:
    """List the file for a desktop session, where there can be one."""
    file = _session_path(environment)
    has_systemd = environment.at_root("/run/systemd/system").is_dir() or file.parent.is_dir()
    return [file] if environment.system == "Linux" and has_systemd else []
