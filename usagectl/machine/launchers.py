"""Launchers: programs that start the one that is meant, such as npx, env and timeout."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_SHELL_TEXT = re.compile(r"-[elux]*c")
_NOT_PLAIN = re.compile(r"[;&|<>()$`\\\n!{}]")
"""What makes a shell's text more than one command with its arguments, or its words unknown."""

_PACKAGE_NAME = re.compile(r"@?[^@=<>!~;\[ ]+")
"""The name in `next@16`, `@angular/cli@20`, `dlt[duckdb]==1.0`."""


class Program(NamedTuple):
    """The program that a command line means."""

    name: str  # Without its folder or its version.
    is_package: bool = False  # Whether it may be the name of a package, as npx takes it.


class _Launcher(NamedTuple):
    flags: str = ""  # Options that stand alone.
    valued: str = ""  # Options whose value may be the next word.
    passed: int = 0  # Words of its own before the program.
    takes_assignments: bool = False
    takes_package: bool = False


_NPX = _Launcher("-y --yes --no -q --quiet", "-p --package -w --workspace", takes_package=True)
_UVX = _Launcher(
    "-q --quiet --isolated --offline -n --no-cache -U --upgrade",
    "-p --python --from -w --with",
    takes_package=True,
)
_LAUNCHERS: Mapping[tuple[str, ...], _Launcher] = {
    ("env",): _Launcher(
        "- -i --ignore-environment", "-u --unset -C --chdir", takes_assignments=True
    ),
    ("exec",): _Launcher(),  # In a shell's text.
    ("nice",): _Launcher("", "-n --adjustment"),
    ("nohup",): _Launcher(),
    ("timeout",): _Launcher(
        "-f --foreground -p --preserve-status -v --verbose", "-s --signal -k --kill-after", passed=1
    ),
    ("npx",): _NPX,
    ("npm", "exec"): _NPX,
    ("uvx",): _UVX,
    ("uv", "tool", "run"): _UVX,
    ("uv", "run"): _Launcher(
        "-q --quiet --isolated --offline --no-sync --frozen --locked --no-project --all-extras",
        "-p --python -w --with --project --directory --extra --group --env-file",
    ),
    ("pipx", "run"): _Launcher(
        "-q --quiet -v --verbose --no-cache", "--spec --python", takes_package=True
    ),
    ("poetry", "run"): _Launcher(),
}


def program_of(words: Sequence[str]) -> Program:
    """Return the program that a command line means, looked for behind launchers.

    The words of a launcher that cannot be told for sure (an option that is not known here, a
    shell's text of more than one command) are not looked through: then it is the program itself.
    """
    is_package = False
    while found := _behind(words):
        words, is_package = found
    name = os.path.basename(words[0])  # noqa: PTH119  (it may be any text)
    if is_package and (package := _PACKAGE_NAME.match(words[0])):
        is_path = words[0].startswith((".", os.sep))
        name = name if is_path else package[0]
    return Program(name, is_package)


def _behind(words: Sequence[str]) -> tuple[Sequence[str], bool] | None:
    """Return the words behind one launcher, and whether they begin with a package's name."""
    first, *rest = words
    plain = (os.path.basename(first), *rest)  # noqa: PTH119
    if plain[0] in _SHELLS:
        return _in_shell(rest)
    for names, launcher in _LAUNCHERS.items():
        if plain[: len(names)] == names:
            behind = _after_options(rest[len(names) - 1 :], launcher)
            return (behind, launcher.takes_package) if behind else None
    return None


def _in_shell(words: Sequence[str]) -> tuple[Sequence[str], bool] | None:
    """Return the words of a shell's text where that is one plain command."""
    if len(words) > 1 and _SHELL_TEXT.fullmatch(words[0]) and not _NOT_PLAIN.search(words[1]):
        with suppress(ValueError):  # A quotation mark has no second one.
            typed = _without_assignments(shlex.split(words[1], comments=True))
            return (typed, False) if typed else None
    return None


def _after_options(words: Sequence[str], launcher: _Launcher) -> Sequence[str]:
    """Return what follows a launcher's own words; empty where that cannot be told."""
    valued, flags = launcher.valued.split(), launcher.flags.split()
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        if option in valued:
            rest = rest[1:]
        elif option not in flags and not _has_value(option, valued):
            return []
    rest = rest[launcher.passed :]
    return _without_assignments(rest) if launcher.takes_assignments else rest


def _has_value(option: str, valued: Sequence[str]) -> bool:
    """True for an option that holds its value: `--signal=KILL`, `-n5`."""
    is_long = option.startswith("--")
    return option.partition("=")[0] in valued if is_long else option[:2] in valued


def _without_assignments(words: Sequence[str]) -> Sequence[str]:
    at = next((at for at, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return words[at:]
