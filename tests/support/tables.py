"""Tables of README and CONTRIBUTING that repeat what stands elsewhere.

`python -m tests.support.tables` writes both anew.
"""

from __future__ import annotations

import ast

from tests.support.machine import REPOSITORY
from usagectl import notice

README, CONTRIBUTING = REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"
_BEGIN = "<!-- table:begin (written by python -m tests.support.tables) -->\n"
_END = "\n<!-- table:end -->"


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


def module_table() -> str:
    """Write a row for each module: its name, and the first line of its docstring."""
    package, plugin = REPOSITORY / "usagectl", REPOSITORY / "usagectl_pytest" / "__init__.py"
    rows = ["| module | what it is |", "|---|---|"]
    for file in [*sorted(package.rglob("*.py")), plugin]:
        name = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        name = name.removeprefix("usagectl.")
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        first = text.partition("\n")[0].replace("|", "\\|")
        rows.append(f"| `{name.removesuffix('.__init__')}` | {first} |")
    return "\n".join(rows)


TABLES = {README: field_table, CONTRIBUTING: module_table}


def with_table(text: str, table: str) -> str:
    """Put a table between the marks of a text."""
    head, _, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    assert end, "the marks of the table are lost"
    return f"{head}{_BEGIN}{table}{end}{tail}"


if __name__ == "__main__":
    for _file, _write in TABLES.items():
        _file.write_text(with_table(_file.read_text("utf-8"), _write()), encoding="utf-8")
