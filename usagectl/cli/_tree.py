"""Own the command tree as data, read off the commands as Typer has built them.

What may stand for a word of the usage lines, such as TOOL, is declared here and
nowhere else. A new word has to be added, `text` when nothing can be offered.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from usagectl import notice, tools
from usagectl.audit.rules import RULES
from usagectl.cli.settings import NAMES as SETTING_NAMES
from usagectl.completions import SHELLS, Argument, CommandNode, Option, Values
from usagectl.machine import shells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@cache
def word_values() -> Mapping[str, Values]:
    """Tell what may stand for each word of the usage lines."""
    text, folder = Values("text"), Values("folder")
    return {
        "ADDRESS": text,
        "CMD": Values("command"),
        "FILE": Values("file"),
        "EVENT": Values("choice", tuple(_event_names())),
        "FOLDER": folder,
        "FORMAT": Values("choice", shells.FORMATS),
        "ID": text,
        "NAME": Values("choice", SETTING_NAMES),
        "PROGRAM": text,
        "UUID": text,
        "VARIABLE": text,
        "PATH": folder,
        "RULE": Values("choice", tuple(rule.id for rule in RULES)),
        "SHELL": Values("choice", tuple(SHELLS)),
        "STATE": Values("choice", ("waiting", "sent", "rejected")),
        "TOOL": Values("choice", tools.names()),
        "VALUE": text,
        "UID": text,
        "URL": text,
        "WHEN": text,
        "INT": text,
        "FLOAT": text,
        "NUMBER": text,
        "VERSION": text,
        "WORD": Values("choice", tuple(name for name in _event_names() if "." not in name)),
    }


def read() -> CommandNode:
    """Read the whole tree; every command module is imported for it."""
    from usagectl.cli import app

    return _read_command(typer.main.get_command(app), "usagectl", parent=None)


def _event_names() -> Iterator[str]:
    found = notice.load()
    for event in found.events + found.undocumented_events:
        yield event.name
        for field in event.fields + event.undocumented_fields:
            yield f"{event.name}.{field.name}"


def _read_command(command: Any, name: str, *, parent: typer.Context | None) -> CommandNode:  # noqa: ANN401
    context = typer.Context(command, info_name=name, parent=parent, **command.context_settings)
    parameters = [each for each in command.get_params(context) if not each.hidden]
    children = []
    if isinstance(command, TyperGroup):
        for child_name in command.list_commands(context):
            child: Any = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                children.append(_read_command(child, child_name, parent=context))
    return CommandNode(
        name,
        help=command.get_short_help_str(limit=200),
        options=tuple(
            _read_option(each) for each in parameters if each.param_type_name == "option"
        ),
        arguments=tuple(
            Argument(_values(each), is_variadic=each.nargs == -1)
            for each in parameters
            if each.param_type_name == "argument"
        ),
        children=tuple(children),
    )


def _read_option(option: Any) -> Option:  # noqa: ANN401
    takes_value = not (option.is_flag or option.count)
    # Click keeps the spellings of --help in a set: their order changes from run to run.
    spellings = sorted(
        (*option.opts, *option.secondary_opts), key=lambda each: (each[:2] != "--", each)
    )
    return Option(
        tuple(spellings),
        help=option.help or "",
        values=_values(option) if takes_value else None,
        is_repeatable=option.multiple or option.count,
    )


def _values(parameter: Any) -> Values:  # noqa: ANN401
    choices = getattr(parameter.type, "choices", ())
    if choices:
        return Values("choice", tuple(choices))
    word = re.search("[A-Z]+", parameter.metavar or parameter.type.name.upper())
    return word_values()[word[0] if word else ""]
