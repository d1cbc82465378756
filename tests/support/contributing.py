"""The table of modules in CONTRIBUTING; `python -m tests.support.contributing` writes it anew."""

from __future__ import annotations

import ast

from tests.support.machine import REPOSITORY

CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
_BEGIN = "<!-- modules:begin (written by python -m tests.support.contributing) -->\n"
_END = "<!-- modules:end -->"


def module_table() -> str:
    """Write a row for each module: its name, and the first line of its docstring."""
    package = REPOSITORY / "usagectl"
    rows = ["| module | what it is |", "|---|---|"]
    for file in sorted(package.rglob("*.py")):
        name = ".".join(file.relative_to(package).with_suffix("").parts)
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        first = text.partition("\n")[0].replace("|", "\\|")
        rows.append(f"| `{name.removesuffix('.__init__')}` | {first} |")
    return "\n".join(rows)


def with_module_table(text: str) -> str:
    """Put the table of modules between its marks."""
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    assert tail, "CONTRIBUTING lost the marks of its table of modules"
    return f"{head}{_BEGIN}{module_table()}\n{_END}{tail}"


if __name__ == "__main__":
    CONTRIBUTING.write_text(
        with_module_table(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8"
    )
