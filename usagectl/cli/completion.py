"""`usagectl completion`: print the completion script of a shell, or write all of them.

A script is static text, made from the command tree: a Tab press runs the shell's own
language, so no Python starts and nothing is loaded, recorded or sent. What is the same for
every tree stands in `data/completion.*`, which looks words up in the tables written here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperGroup

from usagectl import catalogue, notice
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._options import DryRun  # noqa: TC001  (Typer reads the annotations)
from usagectl.cli.settings import NAMES as SETTING_NAMES
from usagectl.errors import InvalidValueError
from usagectl.machine import files, shells
from usagectl.showing import as_data
from usagectl.tools import do_not_track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    Table = Mapping[str, Sequence[str]]

app = new_app()
apps = {"completion": app}

_MARK = "# @tables@\n"


class Values(NamedTuple):
    """What may stand in one place of a command line.

    Attributes:
        kind: `text` is anything, so nothing is offered; `command` is another
            command, with its own arguments behind it.
        choices: the words of a `choice`. NAME.DETAIL whose NAME is a choice too
            is offered once NAME is typed, not before.
    """

    kind: Literal["text", "choice", "file", "folder", "command"] = "text"
    choices: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option in all its spellings; without values it is a flag."""

    spellings: tuple[str, ...]
    help: str = ""
    values: Values | None = None
    is_repeatable: bool = False


class Argument(NamedTuple):
    """An argument; a variadic one takes every further word."""

    values: Values
    is_variadic: bool = False


class CommandNode(NamedTuple):
    """A command; one with children takes no arguments of its own."""

    name: str
    help: str = ""
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    children: tuple[CommandNode, ...] = ()


class Shell(NamedTuple):
    """How a shell spells the tables of its script.

    Attributes:
        file_name: the name under which the shell looks for the script.
        template: the file of `data/` that holds the rest of the script.
        described: a name with its help.
        quote: writes any word.
        table: the function that looks up a key in one table.
        case: the answer of that function for one key.
        between: what stands between two words of an answer.
        tools: the definition of the list of all tools, which many answers hold.
        all_tools: what stands in an answer for the words of that list.
    """

    file_name: str
    template: str
    described: str
    quote: Callable[[str], str]
    table: str
    case: str
    between: str
    tools: str
    all_tools: str

    def write(self, tree: CommandNode) -> str:
        """Write the script that completes the commands of a tree."""
        text = files.read_data(self.template)
        tables = [self._write(*table) for table in _tables(tree, self._describe).items()]
        tools = self.tools.format(self.between.join(map(self.quote, catalogue.names())))
        return text.replace(_MARK, "\n".join((tools, *tables)))

    def _describe(self, name: str, text: str) -> str:
        """Put a name and its help in one line, without characters that drive a terminal."""
        line = "".join(char for char in " ".join(text.split()) if char.isprintable())
        return self.described.format(name, line)

    def _write(self, name: str, table: Table) -> str:
        cases = (
            self.case.format(self.quote(key), self.between.join(self._spell(words)))
            for key, words in table.items()
            if words
        )
        return self.table.format(name, "".join(cases))

    def _spell(self, words: Sequence[str]) -> Iterator[str]:
        """Quote the words of an answer; where all tools stand in it, name their list instead."""
        tools = catalogue.names()
        has_tools = set(tools) <= set(words)
        for word in words:
            if not has_tools or word not in tools:
                yield self.quote(word)
            elif word == tools[0]:
                yield self.all_tools


def _quote_zsh(text: str) -> str:
    return shells.quote_posix(text.replace("\\", "\\\\"))  # An escape in a description.


_BASH = Shell(  # 3.2 and later, with or without bash-completion.
    "usagectl.bash",
    template="completion.bash",
    described="{}",
    quote=shells.quote_posix,
    table=(
        "_usagectl_{}() {{\n    reply=()\n    case $1 in\n{}        *) return 1 ;;\n    esac\n}}\n"
    ),
    case="        {})\n            reply=({})\n            ;;\n",
    between="\n                ",
    tools="_usagectl_tools=(\n                {}\n)\n",
    all_tools='"${_usagectl_tools[@]}"',
)
SHELLS: Mapping[str, Shell] = {
    "bash": _BASH,
    "zsh": _BASH._replace(  # Found on `fpath`, or sourced.
        file_name="_usagectl",
        template="completion.zsh",
        described="{}:{}",
        quote=_quote_zsh,
        tools="typeset -ga _usagectl_tools\n_usagectl_tools=(\n                {}\n)\n",
    ),
    "fish": Shell(  # 3.4 and later.
        "usagectl.fish",
        template="completion.fish",
        described="{}\t{}",
        quote=shells.quote_fish,
        table=(
            'function __usagectl_{}\n    switch "$argv[1]"\n{}'
            "        case '*'\n            return 1\n    end\nend\n"
        ),
        case="        case {}\n            printf '%s\\n' {}\n",
        between=" \\\n                ",
        tools="set -g __usagectl_tools \\\n                {}\n",
        all_tools="$__usagectl_tools",
    ),
    "powershell": Shell(  # 5 and later, in ASCII: it may be read in any code page.
        "usagectl.ps1",
        template="completion.ps1",
        described="{}|{}",
        quote=shells.quote_powershell,
        table=(
            "function global:__usagectl_{}([string]$key) {{\n"
            "    switch -CaseSensitive ($key) {{\n{}    }}\n}}\n"
        ),
        case="        {} {{\n            {}\n        }}\n",
        between="\n            ",
        tools="$global:__usagectl_tools = @(\n            {}\n)\n",
        all_tools="$global:__usagectl_tools",
    ),
}


def _tables(tree: CommandNode, describe: Callable[[str, str], str]) -> Mapping[str, Table]:
    """Lay the tree out in four tables, whose keys are command paths and places below them.

    An option is spelt `--one,-o`, with a `+` before it when it may be repeated.
    """
    tables: dict[str, dict[str, Sequence[str]]] = {
        name: {} for name in ("commands", "options", "values", "details")
    }
    for key, node in nodes(tree):
        tables["commands"][key] = [describe(child.name, child.help) for child in node.children]
        tables["options"][key] = [
            describe("+" * option.is_repeatable + ",".join(option.spellings), option.help)
            for option in node.options
        ]
        _check(_NAME, node.name)
        _check(_SPELLING, *(each for option in node.options for each in option.spellings))
        for place, (kind, choices) in _places(node):
            _check(_CHOICE, *choices)
            details = [word for word in choices if "." in word and word.split(".")[0] in choices]
            shown = (word for word in choices if word not in details)
            tables["values"][f"{key} {place}"] = [kind, *shown]
            tables["details"][f"{key} {place}"] = details
    return tables


_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_SPELLING = r"--?[A-Za-z0-9][A-Za-z0-9_-]*"
_CHOICE = r"[A-Za-z0-9][A-Za-z0-9_.:-]*"


def _check(pattern: str, *words: str) -> None:
    """Refuse names that would need quotes in a shell; only help may be any text.

    Raises:
        ValueError: a word of the command tree is not so; that is a bug in the tree.
    """
    for word in words:
        if not re.fullmatch(pattern, word):
            message = f"{word!r} cannot be completed in every shell"
            raise ValueError(message)


def nodes(node: CommandNode, above: str = "") -> Iterator[tuple[str, CommandNode]]:
    """List every command of a tree by what is typed for it."""
    key = f"{above} {node.name}".lstrip()
    yield key, node
    for child in node.children:
        yield from nodes(child, key)


def _places(node: CommandNode) -> Iterator[tuple[str, Values]]:
    """List the places of a command that take a value: a spelling, a number, or `+`."""
    for option in node.options:
        if option.values is not None:
            yield from ((spelling, option.values) for spelling in option.spellings)
    for number, argument in enumerate(node.arguments, 1):
        yield "+" if argument.is_variadic else str(number), argument.values


@app.command(cls=AnsweringCommand)
def completion(
    ctx: typer.Context,
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="SHELL",
            help=f"{', '.join(SHELLS)}. Yours without a name.",
        ),
    ] = None,
    *,
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            metavar="FOLDER",
            help="Write the file of this SHELL, or of all, into a folder, as packages need them.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Print the script that completes usagectl in a shell; put it where the shell looks.

    A Tab press then runs that text alone: it starts no usagectl.

    \b
    bash        ~/.local/share/bash-completion/completions/usagectl
                (without bash-completion: a file that ~/.bashrc sources)
    zsh         _usagectl in a folder of $fpath
    fish        ~/.config/fish/completions/usagectl.fish
    PowerShell  at the end of $PROFILE

    \b
    Such as:
    usagectl completion fish > ~/.config/fish/completions/usagectl.fish
    """  # noqa: D301  (Click takes the backspace for: keep these lines as they are)
    invocation: Invocation = ctx.obj
    invocation.recording.forget_since(0)  # Completion leaves no event (design, section 5).
    if shell is not None and shell not in SHELLS:
        wanted = f"use one of {', '.join(SHELLS)}"
        raise InvalidValueError("shell", shell, wanted=wanted, hint="usagectl completion --help")
    environment = invocation.environment
    if write is not None:
        names = [shell] if shell else list(SHELLS)
        return _write(environment.cwd / write, names, dry_run=dry_run)
    shell = shell or shells.detect_shell(environment.variables.get("SHELL"), environment.system)
    text = SHELLS[shell].write(read_tree())
    return _output.Answer(
        lambda: {"shell": shell, "text": text}, lambda: typer.echo(text, nl=False)
    )


def _write(folder: Path, names: list[str], *, dry_run: bool) -> _output.Answer:
    found: list[WrittenFile] = []
    for name in names:
        file, data = folder / SHELLS[name].file_name, SHELLS[name].write(read_tree()).encode()
        found.append(WrittenFile(name, file, files.read_bytes(file) != data))
        if found[-1].changed and not dry_run:
            files.replace_bytes(file, data, new_mode=0o644)

    def show() -> None:
        verb = "would change" if dry_run else "changed"
        for each in found:
            word = verb if each.changed else "stays as it is"
            _output.print_line(f"{each.path} {word}.")

    return _output.Answer(lambda: {"dry_run": dry_run, "files": as_data(found)}, show)


class WrittenFile(NamedTuple):
    """A script that was written, or would be."""

    shell: str
    path: Path
    changed: bool


_TEXTS = (
    *(
        "ADDRESS",
        "FLOAT",
        "HOST",
        "ID",
        "INT",
        "LINE",
        "MYTOOL",
        "NUMBER",
        "PROGRAM",
        "SECONDS",
        "UID",
        "URL",
        "UUID",
    ),
    *("VALUE", "VARIABLE", "VERSION", "WHEN"),
)


@cache
def word_values() -> Mapping[str, Values]:
    """Map each word of the usage lines, such as TOOL, to what may stand for it.

    A new word has to be added, to `_TEXTS` where nothing can be offered.
    """
    from usagectl.audit.rules import RULES

    events = tuple(_event_names())
    choices = {
        "EVENT": events,
        "FORMAT": shells.FORMATS,
        "NAME": SETTING_NAMES,
        "RULE": tuple(rule.id for rule in RULES),
        "SHELL": tuple(SHELLS),
        "STATE": ("waiting", "sent", "rejected"),
        "TOOL": catalogue.names(),
        "TOPIC": (*catalogue.names(), do_not_track.NAME, *events),
        "WORD": tuple(name for name in events if "." not in name),
    }
    return {
        **dict.fromkeys(_TEXTS, Values("text")),
        **{word: Values("choice", names) for word, names in choices.items()},
        **dict.fromkeys(("FOLDER", "PATH"), Values("folder")),
        "CMD": Values("command"),
        **dict.fromkeys(("FILE", "KEY", "REPORT"), Values("file")),
    }


def read_tree() -> CommandNode:
    """Read the tree of commands as Typer has built them; every command module is imported."""
    from usagectl.cli import app

    return _read_command(typer.main.get_command(app), "usagectl", parent=None)


def _event_names() -> Iterator[str]:
    found = notice.load()
    for event in found.events + found.undocumented_events:
        yield event.name
        for field in event.all_fields:
            yield f"{event.name}.{field.name}"


def _read_command(command: Any, name: str, *, parent: typer.Context | None) -> CommandNode:  # noqa: ANN401
    context = typer.Context(command, info_name=name, parent=parent, **command.context_settings)
    parameters = [each for each in command.get_params(context) if not each.hidden]
    options = [each for each in parameters if each.param_type_name == "option"]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    names = command.list_commands(context) if isinstance(command, TyperGroup) else ()
    children = [(each, command.get_command(context, each)) for each in names]
    return CommandNode(
        name,
        help=command.get_short_help_str(limit=200),
        options=tuple(_read_option(each) for each in options),
        arguments=tuple(Argument(_values(each), each.nargs == -1) for each in arguments),
        children=tuple(
            _read_command(child, word, parent=context)
            for word, child in children
            if not child.hidden
        ),
    )


def _read_option(option: Any) -> Option:  # noqa: ANN401
    # Click keeps the spellings of --help in a set: their order changes from run to run.
    spellings = sorted(
        (*option.opts, *option.secondary_opts), key=lambda each: (each[:2] != "--", each)
    )
    return Option(
        tuple(spellings),
        help=option.help or "",
        values=None if option.is_flag or option.count else _values(option),
        is_repeatable=option.multiple or option.count,
    )


def _values(parameter: Any) -> Values:  # noqa: ANN401
    shown = parameter.metavar or ""
    if re.fullmatch(r"\[[a-z|]+\]", shown):
        return Values("choice", tuple(shown.strip("[]").split("|")))
    word = re.search("[A-Z]+", shown)
    return word_values()[word[0] if word else ""]
