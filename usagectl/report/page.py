"""The report as one HTML page that asks nobody for anything; the only importer of Jinja2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usagectl.errors import LibraryMissingError, count_of
from usagectl.machine import files
from usagectl.report import words
from usagectl.showing import printable_line

try:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
except ModuleNotFoundError as error:  # The core alone has no reports.
    raise LibraryMissingError("Jinja2") from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def write(data: Mapping[str, Any]) -> str:
    """Write a report as HTML; every value of it stays text, whatever it holds."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, bars=_bars, count_of=count_of)
    template = environment.from_string(files.read_data("report.html"))
    known = {each["name"]: each for each in data["known"]}
    return template.render(data=data, known=known, tools=_by_state(data["tools"])) + "\n"


def _printable(value: object) -> object:
    """Escape what drives a terminal or turns the direction of a text: it must be seen."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable_line(value)
    return value


def _by_state(tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort tools, loudest first."""
    order = list(words.VERDICTS)
    return sorted(tools, key=lambda each: order.index(words.state_of(each)))


def _bars(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    """Return each row with the length of its bar in percent of the longest."""
    most = max((each["requests"] for each in rows), default=0) or 1
    return [(each, max(round(100 * each["requests"] / most), 1)) for each in rows]
