"""The man page `usagectl(1)`, written from the program's own help and the tables of docs.

`python -m tests.support.manual` writes it anew; the wheel installs it.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import typer

from tests.support import tables
from tests.support.commands import tree
from tests.support.machine import REPOSITORY
from usagectl import cli
from usagectl._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = REPOSITORY / "man" / "usagectl.1"
_SECTIONS = {"EXIT STATUS": "Exit statuses", "ENVIRONMENT": "Variables of usagectl's own"}
"""By section of the page: the heading of docs/reference.md whose table it repeats."""

_END = """\
.SH FILES
\\fBusagectl settings\\fR names the file of its settings, \\fBusagectl spool\\fR that of its spool,
and \\fBusagectl status\\fR \\fITOOL\\fR the files of a tool.
.SH SEE ALSO
\\fBusagectl\\fR \\fICOMMAND\\fR \\fB--help\\fR says the same of one command.
"""


def page() -> str:
    """Write the whole page."""
    root = typer.main.get_command(cli.app)
    lines = [
        '.\\" Written by python -m tests.support.manual.',
        f'.TH USAGECTL 1 "" "usagectl {__version__}" "User commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"usagectl \\- {_escape(_summary(root)).rstrip('.').lower()}",
        ".SH SYNOPSIS",
        r"\fBusagectl\fR \fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]...",
        ".SH DESCRIPTION",
        *_help_of(root),
        ".SH COMMANDS",
    ]
    for path, command in tree().items():
        lines += [f'.SS "usagectl {path}{_arguments(command)}"', *_help_of(command)]
        for parameter in command.params:
            lines += [".TP", _spelt(parameter), _escape(_said(parameter))]
    for section, heading in _SECTIONS.items():
        lines += [f".SH {section}", *_table(heading)]
    return "\n".join([*lines, _END])


def _summary(command: Any) -> str:  # noqa: ANN401  (Click's own)
    return " ".join((command.help or "").split("\n\n")[0].split())


def _help_of(command: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the paragraphs of a help; examples and what Click leaves as it is stay as they are."""
    for number, paragraph in enumerate(inspect.cleandoc(command.help or "").split("\n\n")):
        if number:
            yield ".PP"
        kept = paragraph.startswith("\b\n") or re.match(r"usagectl \w", paragraph)
        text = paragraph.removeprefix("\b\n")
        yield from (".nf", _escape(text), ".fi") if kept else (_escape(" ".join(text.split())),)


def _arguments(command: Any) -> str:  # noqa: ANN401
    words = [each for each in command.params if not each.opts[0].startswith("-")]
    return "".join(f" {_escape(_placed(each))}" for each in words)


def _placed(argument: Any) -> str:  # noqa: ANN401
    """Spell an argument in its place: in brackets if it may be missing, with dots if repeated."""
    word = argument.metavar if argument.required else f"[{argument.metavar}]"
    return f"{word}..." if argument.nargs == -1 and "ARGS" not in word else word


def _spelt(parameter: Any) -> str:  # noqa: ANN401
    """Spell an option as the help does, its value in italics; an argument by its word alone."""
    if not parameter.opts[0].startswith("-"):
        return f"\\fI{_escape(parameter.metavar)}\\fR"
    spellings = ", ".join(f"\\fB{_escape(each)}\\fR" for each in sorted(parameter.opts, key=len))
    return (
        f"{spellings} \\fI{_escape(parameter.metavar)}\\fR" if _has_value(parameter) else spellings
    )


def _has_value(parameter: Any) -> bool:  # noqa: ANN401
    return not (parameter.is_flag or parameter.count)


def _said(parameter: Any) -> str:  # noqa: ANN401
    """Return the help of a parameter, with its default where the help shows one."""
    text = " ".join((parameter.help or "").split())
    default = parameter.default if getattr(parameter, "show_default", False) else None
    shows = parameter.opts[0].startswith("-") and _has_value(parameter)
    is_plain = isinstance(default, (str, int, float)) and default != ""
    return f"{text} Default: {default}." if shows and is_plain else text


def _table(heading: str) -> Iterator[str]:
    """Yield the rows of a table of docs/reference.md."""
    text = (tables.DOCS / "reference.md").read_text(encoding="utf-8")
    rows = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for term, meaning in re.findall(r"^\| (?!-)(.+?) \| (.+) \|$", rows, re.MULTILINE)[1:]:
        yield from (".TP", f"\\fB{_escape(term.replace('`', ''))}\\fR", _escape(meaning))


def _escape(text: str) -> str:
    """Write text so that man takes none of it for its own; what stands in backticks is bold."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    bold = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", safe)
    return re.sub(r"(?m)^\.", r"\\&.", bold)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(page(), encoding="utf-8")
