"""Opt-outs for every user of a machine: the places of its shells and services, and the policy.

`/etc/profile.d` reaches login shells alone, so bash and zsh get a line in the file that their
other shells read. `/etc/environment` is PAM's: what cron, `su -c` and `ssh HOST COMMAND` start
has its variables, although no shell reads a start-up file there. systemd hands its
`DefaultEnvironment` to services, and `environment.d` to desktop sessions. What is not on the
machine gets no file; the policy is written anyway.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import settings
from usagectl.errors import FileCorruptError, FileUnwritableError, StateError, quote
from usagectl.machine import files, marked_files, toml
from usagectl.machine.marked_files import Piece
from usagectl.shell_files import FilesResult, Wanted, exports_text, line_for, settings_text, write
from usagectl.tools.opt_outs import known_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.machine.environment import Environment
    from usagectl.machine.marked_files import FileChange

AUTHOR = "usagectl disable --system"

_PWSH_FOLDERS = ("/opt/microsoft/powershell", "/usr/local/microsoft/powershell")
_SYSTEMD = ("/run/systemd/system", "/usr/lib/systemd/systemd", "/lib/systemd/systemd")

_PLACES = (
    "/etc/systemd/user.conf.d/60-usagectl.conf",
    "/etc/systemd/system.conf.d/60-usagectl.conf",
    "/etc/environment.d/60-usagectl.conf",
    "/etc/environment",
    "/etc/fish/conf.d/usagectl.fish",
    "/etc/zshenv",
    "/etc/zsh/zshenv",
    "/etc/bashrc",
    "/etc/bash.bashrc",
    "/etc/profile",
    "/etc/profile.d/usagectl.sh",
)


class RootNeededError(StateError):
    """Only root may write what every user reads."""

    code = "root-needed"

    def __init__(self, verb: str) -> None:
        super().__init__(
            f"`{verb} --system` writes files that every user reads, and only root may do that.",
            hint=f'sudo "$(command -v usagectl)" {verb} --system',
        )


class SystemUnsupportedError(StateError):
    """This system has no places that usagectl could write for all users."""

    code = "system-unsupported"

    def __init__(self) -> None:
        message = "Windows keeps the variables of all users in its registry: usagectl leaves it be."
        super().__init__(message, hint="usagectl disable --shell")


def disable(environment: Environment, *, dry_run: bool = False) -> FilesResult:
    """Have every user's shells and services get all opt-outs, and the policy want them.

    Raises:
        RootNeededError: another user runs this.
        SystemUnsupportedError: this is Windows.
    """
    _require_root(environment, "disable")

    def plan(piece: Piece) -> FileChange:
        if piece.file == policy.file:
            return _plan_policy(environment)
        return marked_files.plan_adding(environment, piece, author=AUTHOR)

    policy = Piece(files.policy_file(environment), "", "block")
    return _write([*_pieces(environment), policy], plan, dry_run=dry_run)


def enable(environment: Environment, *, dry_run: bool = False) -> FilesResult:
    """Take out what `disable` wrote, and no more.

    Raises:
        RootNeededError: another user runs this.
        SystemUnsupportedError: this is Windows.
    """
    _require_root(environment, "enable")

    def plan(file: Path) -> FileChange:
        return marked_files.plan_removing(environment, file, author=AUTHOR)

    return _write([*_possible_files(environment)], plan, dry_run=dry_run)


def _write(
    wanted: list[Wanted], plan: Callable[[Wanted], FileChange], *, dry_run: bool
) -> FilesResult:
    return write(wanted, plan, dry_run=dry_run, mode=0o644, folder_mode=0o755)


def _require_root(environment: Environment, verb: str) -> None:
    if environment.system == "Windows":
        raise SystemUnsupportedError
    if environment.uid != 0:
        raise RootNeededError(verb)


def _pieces(environment: Environment) -> Iterator[Piece]:
    """Yield what the shells and services of this machine are to find."""
    at = environment.at_root
    own = files.policy_file(environment).parent
    profiles = at("/etc/profile.d")
    exports = (profiles / "usagectl.sh") if profiles.is_dir() else own / "opt-out.sh"
    yield Piece(exports, exports_text("sh"), "file")
    for place in _start_up_files(environment, has_profiles=profiles.is_dir()):
        yield Piece(place, line_for(_seen(environment, exports), "sh"), "line")
    if at("/etc/fish").is_dir():
        yield Piece(at("/etc/fish/conf.d/usagectl.fish"), exports_text("fish"), "file")
    if at("/etc/environment").is_file():
        yield Piece(at("/etc/environment"), settings_text(), "block")
    yield from _of_powershell(environment, own / "opt-out.ps1")
    yield from _of_systemd(environment)


def _start_up_files(environment: Environment, *, has_profiles: bool) -> Iterator[Path]:
    """Yield the files of bash and zsh that are read where `/etc/profile.d` is not."""
    at = environment.at_root
    if not has_profiles and at("/etc/profile").exists():
        yield at("/etc/profile")
    for name in ("/etc/bash.bashrc", "/etc/bashrc"):
        if at(name).exists():
            yield at(name)
    if at("/etc/zsh").is_dir():
        yield at("/etc/zsh/zshenv")
    elif any(at(name).exists() for name in ("/etc/zshenv", "/etc/zshrc")):
        yield at("/etc/zshenv")


def _of_powershell(environment: Environment, exports: Path) -> Iterator[Piece]:
    """Yield the profile of all users in each PowerShell's own folder."""
    roots = (environment.at_root(each) for each in _PWSH_FOLDERS)
    found = sorted(path.parent for root in roots for path in root.glob("*/pwsh"))
    if found:
        yield Piece(exports, exports_text("ps1"), "file")
    for folder in found:
        line = line_for(_seen(environment, exports), "ps1")
        yield Piece(folder / "profile.ps1", line, "line")


def _of_systemd(environment: Environment) -> Iterator[Piece]:
    at = environment.at_root
    has_systemd = environment.system == "Linux" and any(at(each).exists() for each in _SYSTEMD)
    if has_systemd or at("/etc/environment.d").is_dir():
        yield Piece(at("/etc/environment.d/60-usagectl.conf"), settings_text(), "file")
    if has_systemd:
        words = settings_text().replace("\n", " ")
        text = f"[Manager]\nDefaultEnvironment={words}"
        for name in ("system", "user"):
            yield Piece(at(f"/etc/systemd/{name}.conf.d/60-usagectl.conf"), text, "file")


def _possible_files(environment: Environment) -> Iterator[Path]:
    """Yield every file that `disable` may have written to, the last one first."""
    policy = files.policy_file(environment)
    yield policy
    yield from (environment.at_root(each) for each in _PLACES)
    for root in _PWSH_FOLDERS:
        yield from environment.at_root(root).glob("*/profile.ps1")
    yield from (policy.with_name(f"opt-out.{syntax}") for syntax in ("ps1", "sh"))


def _seen(environment: Environment, file: Path) -> Path:
    """Return a path as the shells of the machine see it, whose root is `environment.root`."""
    return Path("/") / file.relative_to(environment.root)


def _plan_policy(environment: Environment) -> FileChange:
    """Plan the policy with a mode of off for each tool that it says nothing of.

    usagectl's own table, and what the administrator wrote of a tool, stay.

    Raises:
        StateError: the file cannot be read, understood or written.
    """
    file = files.policy_file(environment)
    bare = marked_files.plan_removing(environment, file, author=AUTHOR).after
    document = toml.parse(file, bare or b"")
    said = document.get("tools", {})
    if not isinstance(said, dict):
        raise FileCorruptError(file, reason="tools is not a table")
    names = [name for name in known_names() if name != settings.OWN_NAME and name not in said]
    text = "\n".join(f'[tools.{_key(name)}]\nmode = "off"' for name in names)
    change = marked_files.plan_adding(environment, Piece(file, text, "block"), author=AUTHOR)
    try:
        toml.parse(file, change.after or b"")
    except FileCorruptError as error:
        reason = "its keys are written in a form that cannot be added to"
        raise FileUnwritableError(file, reason=reason, hint=f"cat {quote(str(file))}") from error
    return change


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'
