"""Tables of CONTRIBUTING and docs that repeat what stands elsewhere.

`python -m tests.support.tables` writes them anew.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tests.support.machine import REPOSITORY
from tests.test_cli_contract import KEYS
from usagectl import catalogue, notice
from usagectl.catalogue.page import markdown
from usagectl.tools import do_not_track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PACKAGE = REPOSITORY / "usagectl"
README, CONTRIBUTING = REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"
DOCS = REPOSITORY / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))
"""What people read: README, and the pages that it leads to."""

_HOW = "(written by python -m tests.support.tables)"


def field_table() -> str:
    """Write the documented fields of the notice as a Markdown table."""
    rows = [
        ("event", "field", "type", "privacy", "meaning"),
        ("---",) * 5,
        *(
            (f"`{each.event}`", f"`{each.name}`", each.type, each.privacy, each.meaning)
            for event in notice.load().events
            for each in event.fields
        ),
    ]
    lines = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def json_table() -> str:
    """Write the keys of `data`, place by place, of commands that answer alike in one row."""
    alike: dict[tuple[str, str], list[str]] = {}
    for command, places in KEYS.items():
        for place, keys in places.items():
            alike.setdefault((place, keys), []).append(command)
    rows = ["| command | place in `data` | keys |", "|---|---|---|"]
    for (place, keys), commands in alike.items():
        named, members = (
            ", ".join(f"`{each}`" for each in some) for some in (commands, keys.split())
        )
        rows.append(f"| {named} | {place and f'`{place}`'} | {members} |")
    return "\n".join(rows)


def code_table() -> str:
    """Write the code of each error, its exit status, and the first line about its class.

    A class without a code has that of the class above it, sometimes with another status.
    """
    classes = {each.name: each for file in sorted(PACKAGE.rglob("*.py")) for each in _errors(file)}
    statuses: dict[object, set[str]] = {}
    for each in classes.values():
        code = _member(each, "code", classes)
        statuses.setdefault(code, set()).add(str(_member(each, "exit_status", classes) or 1))
    means = {each.members["code"]: each.text for each in classes.values() if "code" in each.members}
    rows = [
        f"| `{code}` | {', '.join(sorted(statuses[code]))} | {_first_line(text)} |"
        for code, text in sorted(means.items(), key=str)
    ]
    return "\n".join(["| code | status | means |", "|---|---|---|", *rows])


class _Class(NamedTuple):
    """A class as its source says it: the constants of its body, and what it is derived from."""

    name: str
    bases: list[str]
    members: Mapping[str, object]
    text: str


def _errors(file: Path) -> Iterator[_Class]:
    for node in _parsed(file).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
            members = {
                target.id: each.value.value
                for each in node.body
                if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
                for target in each.targets
                if isinstance(target, ast.Name)
            }
            bases = [each.id for each in node.bases if isinstance(each, ast.Name)]
            yield _Class(node.name, bases, members, ast.get_docstring(node) or "")


def _member(error: _Class, name: str, classes: Mapping[str, _Class]) -> object:
    """Return a constant of a class, its own or the nearest above it; None without one."""
    if name in error.members:
        return error.members[name]
    above = (_member(classes[base], name, classes) for base in error.bases if base in classes)
    return next(above, None)


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _first_line(text: str) -> str:
    return text.partition("\n")[0].replace("|", "\\|")


def module_table() -> str:
    """Write a row for each module: its name, and the first line of its docstring."""
    package, plugin = REPOSITORY / "usagectl", REPOSITORY / "usagectl_pytest" / "__init__.py"
    rows = ["| module | what it is |", "|---|---|"]
    for file in [*sorted(package.rglob("*.py")), plugin]:
        name = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        name = name.removeprefix("usagectl.")
        text = ast.get_docstring(_parsed(file)) or ""
        rows.append(f"| `{name.removesuffix('.__init__')}` | {_first_line(text)} |")
    return "\n".join(rows)


def catalogue_pages() -> str:
    """Write the pages of all tools, as `usagectl explain --markdown` prints them."""
    return markdown([catalogue.entry(name) for name in catalogue.names()]).rstrip("\n")


def do_not_track_table() -> str:
    """Write what DO_NOT_TRACK does to each tool that reads it."""
    found = do_not_track.rows()
    rows = [do_not_track.summary(found), ""]
    rows += ["| tool | `1` | `true` | `yes` | `0` | empty |", "|---|---|---|---|---|---|"]
    readers = (row for row in found if row.is_read)
    rows += [f"| {row.tool} | {' | '.join(row.effects.values())} |" for row in readers]
    return "\n".join(rows)


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (DOCS / "audit.md", "fields"): field_table,
    (DOCS / "switching.md", "do-not-track"): do_not_track_table,
    (DOCS / "reference.md", "json"): json_table,
    (DOCS / "reference.md", "codes"): code_table,
    (CONTRIBUTING, "modules"): module_table,
    (DOCS / "catalogue.md", "tools"): catalogue_pages,
}
"""By file and mark: what writes the table."""


def with_table(text: str, name: str, table: str) -> str:
    """Put a table between its marks in a text."""
    head, begin, rest = text.partition(f"<!-- {name}:begin {_HOW} -->\n")
    _, end, tail = rest.partition(f"\n<!-- {name}:end -->")
    assert begin, f"the first mark of {name} is lost"
    assert end, f"the second mark of {name} is lost"
    return f"{head}{begin}{table}{end}{tail}"


def write_all() -> None:
    """Write every table anew."""
    for (file, name), write in TABLES.items():
        text = with_table(file.read_text("utf-8"), name, write())
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_all()
