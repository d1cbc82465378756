"""Completion scripts: static text for each shell, made from a command tree.

A Tab press runs the shell's own language: no Python starts, so nothing is
loaded, recorded or sent. What is the same for every tree stands in
`data/completion.*`; this module writes the tables that those texts look words
up in. All four walk a line in the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from usagectl.machine.shells import quote_fish, quote_posix, quote_powershell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Table = Mapping[str, Sequence[str]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SPELLING = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9_-]*")
_CHOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_MARK = "# @tables@\n"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Values:
    """What may stand in one place of a command line.

    Attributes:
        kind: `text` is anything, so nothing is offered; `command` is another
            command, with its own arguments behind it.
        choices: the words of a `choice`. NAME.DETAIL whose NAME is a choice too
            is offered once NAME is typed, not before.
    """

    kind: Literal["text", "choice", "file", "folder", "command"] = "text"
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.choices, _CHOICE)

    @property
    def details(self) -> tuple[str, ...]:
        """The choices that wait for their NAME."""
        names = frozenset(self.choices)
        return tuple(
            word for word in self.choices if "." in word and word.partition(".")[0] in names
        )


@dataclass(frozen=True, slots=True)
class Option:
    """An option in all its spellings; without values it is a flag."""

    spellings: tuple[str, ...]
    help: str = ""
    values: Values | None = None
    is_repeatable: bool = False

    def __post_init__(self) -> None:
        _check(self.spellings, _SPELLING)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument; a variadic one takes every further word."""

    values: Values
    is_variadic: bool = False


@dataclass(frozen=True, slots=True)
class CommandNode:
    """A command; one with children takes no arguments of its own."""

    name: str
    help: str = ""
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    children: tuple[CommandNode, ...] = ()

    def __post_init__(self) -> None:
        _check((self.name,), _NAME)


@dataclass(frozen=True, slots=True)
class Shell:
    """What writes a shell's script, and the name under which the shell looks for it."""

    write: Callable[[CommandNode], str]
    file_name: str


def bash(tree: CommandNode) -> str:
    """Write the script for bash 3.2 and later, with or without bash-completion."""
    return _fill("completion.bash", tree, _write_posix_table, lambda name, _: name)


def zsh(tree: CommandNode) -> str:
    """Write the script for zsh, found on `fpath` or sourced."""
    # zsh takes a backslash in a description for an escape.
    return _fill(
        "completion.zsh",
        tree,
        _write_posix_table,
        lambda name, text: f"{name}:{text}".replace("\\", "\\\\"),
    )


def fish(tree: CommandNode) -> str:
    """Write the script for fish 3.4 and later."""
    return _fill("completion.fish", tree, _write_fish_table, lambda name, text: f"{name}\t{text}")


def powershell(tree: CommandNode) -> str:
    """Write the script for PowerShell 5 and later, in ASCII: it may be read in any code page."""
    return _fill(
        "completion.ps1", tree, _write_powershell_table, lambda name, text: f"{name}|{text}"
    )


SHELLS: Mapping[str, Shell] = {
    "bash": Shell(bash, "usagectl.bash"),
    "zsh": Shell(zsh, "_usagectl"),
    "fish": Shell(fish, "usagectl.fish"),
    "powershell": Shell(powershell, "usagectl.ps1"),
}


def _fill(
    file_name: str,
    tree: CommandNode,
    write: Callable[[str, Table], str],
    describe: Callable[[str, str], str],
) -> str:
    """Put the tables of this tree into the text of a shell."""
    from importlib.resources import files

    text = files("usagectl").joinpath("data", file_name).read_text(encoding="utf-8")
    tables = _tables(tree, lambda name, help_text: describe(name, _line(help_text)))
    return text.replace(_MARK, "\n".join(write(name, table) for name, table in tables.items()))


def _tables(tree: CommandNode, describe: Callable[[str, str], str]) -> Mapping[str, Table]:
    """Lay the tree out in four tables, whose keys are command paths and places below them.

    An option is spelt `--one,-o`, with a `+` before it when it may be repeated.
    """
    nodes = dict(_nodes(tree))
    places = dict(place for key, node in nodes.items() for place in _places(key, node))
    return {
        "commands": {
            key: [describe(child.name, child.help) for child in node.children]
            for key, node in nodes.items()
        },
        "options": {
            key: [
                describe("+" * option.is_repeatable + ",".join(option.spellings), option.help)
                for option in node.options
            ]
            for key, node in nodes.items()
        },
        "values": {
            key: [values.kind, *(word for word in values.choices if word not in values.details)]
            for key, values in places.items()
        },
        "details": {key: values.details for key, values in places.items()},
    }


def _nodes(node: CommandNode, parent: str = "") -> Iterator[tuple[str, CommandNode]]:
    key = f"{parent} {node.name}".lstrip()
    yield key, node
    for child in node.children:
        yield from _nodes(child, key)


def _places(key: str, node: CommandNode) -> Iterator[tuple[str, Values]]:
    """List the places of a command that take a value: a spelling, a number, or `+`."""
    for option in node.options:
        if option.values is not None:
            yield from ((f"{key} {spelling}", option.values) for spelling in option.spellings)
    for number, argument in enumerate(node.arguments, 1):
        yield f"{key} {'+' if argument.is_variadic else number}", argument.values


def _line(text: str) -> str:
    """Write help in one line, without characters that drive a terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _write_posix_table(name: str, table: Table) -> str:
    """Write a function of bash and zsh that leaves the words in `reply`."""
    cases = "".join(
        f"        {quote_posix(key)})\n"
        + _wrap([quote_posix(word) for word in words], "            reply=(", "", ")")
        + "            ;;\n"
        for key, words in table.items()
        if words
    )
    return (
        f"_usagectl_{name}() {{\n    reply=()\n    case $1 in\n{cases}"
        "        *) return 1 ;;\n    esac\n}\n"
    )


def _write_fish_table(name: str, table: Table) -> str:
    """Write a function of fish that prints the words, a line each."""
    cases = "".join(
        f"        case {quote_fish(key)}\n"
        + _wrap([quote_fish(word) for word in words], "            printf '%s\\n' ", " \\")
        for key, words in table.items()
        if words
    )
    return (
        f'function __usagectl_{name}\n    switch "$argv[1]"\n{cases}'
        "        case '*'\n            return 1\n    end\nend\n"
    )


def _write_powershell_table(name: str, table: Table) -> str:
    """Write a function of PowerShell that returns the words."""
    cases = "".join(
        f"        {_quote_powershell(key)} {{\n"
        + _wrap([_quote_powershell(word) for word in words], "            ", ",", between=", ")
        + "        }\n"
        for key, words in table.items()
        if words
    )
    return (
        f"function global:__usagectl_{name}([string]$key) {{\n"
        f"    switch -CaseSensitive ($key) {{\n{cases}    }}\n}}\n"
    )


def _wrap(
    words: Sequence[str], head: str, break_text: str, tail: str = "", *, between: str = " "
) -> str:
    """Write words in lines that end in `break_text`, all but the last."""
    lines = [head + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(between) + len(word) + len(break_text) <= _WIDTH:
            lines[-1] += between + word
        else:
            lines.append(" " * 16 + word)
    return (break_text + "\n").join(lines) + tail + "\n"


def _quote_powershell(text: str) -> str:
    """Quote in ASCII; a sum of strings stands in parentheses, since a comma binds tighter."""
    quoted = quote_powershell(text)
    return quoted if text.isascii() else f"({quoted})"


def _check(words: Sequence[str], pattern: re.Pattern[str]) -> None:
    """Refuse names that would need quotes in a shell; only help may be any text.

    Raises:
        ValueError: a word of the command tree is not so; that is a bug in the tree.
    """
    for word in words:
        if not pattern.fullmatch(word):
            message = f"{word!r} cannot be completed in every shell"
            raise ValueError(message)
