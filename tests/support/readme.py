"""What the README repeats from elsewhere; `python -m tests.support.readme` writes it anew."""

from __future__ import annotations

from tests.support.machine import REPOSITORY
from usagectl import notice

README = REPOSITORY / "README.md"
_BEGIN = "<!-- notice:begin (written by python -m tests.support.readme) -->\n"
_END = "<!-- notice:end -->"


def field_table() -> str:
    """Write the documented fields as a Markdown table, ending in a newline."""
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
    return "".join(f"| {line} |\n" for line in lines)


def with_field_table(text: str) -> str:
    """Put the notice's field table between its marks."""
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    assert tail, "the README lost the marks of its field table"
    return f"{head}{_BEGIN}{field_table().strip()}\n{_END}{tail}"


def commands() -> dict[str, str]:
    """Return the README's two set-up lines: the one that tries it, the one that tests it."""
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if "-m venv" in line]
    assert len(lines) == 2, "the README has two set-up lines"
    return {"try": lines[0], "test": lines[1]}


if __name__ == "__main__":
    README.write_text(with_field_table(README.read_text(encoding="utf-8")), encoding="utf-8")
