"""Own everything drawn for a person; the only importer of rich.

Colour and width follow the terminal, NO_COLOR and FORCE_COLOR. In a pipe
nothing is wrapped, so that lines can be searched and cut.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console  # noqa: TID253  (this module is where rich lives)
from rich.table import Table  # noqa: TID253
from rich.text import Text  # noqa: TID253

from usagectl.cli._output import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.tools.base import Caution

_PIPE_WIDTH = 1000

STYLES = {"on": "bold red", "local": "yellow", "off": "green", "absent": "dim"}


def console() -> Console:
    """Make the console for stdout."""
    is_terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        width=None if is_terminal else _PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


class Page:
    """Draw one answer, top to bottom."""

    def __init__(self) -> None:
        self._console = console()

    def line(self, text: str = "", style: str = "") -> None:
        """Draw a line of text; a long one wraps at words."""
        self._console.print(Text(printable(text), style=style))

    def indented(self, text: str, style: str = "", *, by: int = 2) -> None:
        """Draw text set in from the left, also where it wraps."""
        table = Table.grid(padding=0)
        table.add_column(width=by)
        table.add_column(overflow="fold")
        table.add_row("", Text(printable(text), style=style))
        self._draw_stripped(table)

    def heading(self, text: str) -> None:
        """Draw a heading after an empty line."""
        self.line()
        self.line(text, style="bold")

    def rows(self, rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> None:
        """Draw rows in aligned columns; the last column takes what is left and wraps."""
        if not rows:
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=0)
        last = len(rows[0]) - 1
        for index in range(last + 1):
            table.add_column(no_wrap=index < last, overflow="fold" if index == last else "ellipsis")
        for row, style in zip(rows, styles or [""] * len(rows), strict=True):
            table.add_row("", *(Text(printable(cell), style=style) for cell in row))
        self._draw_stripped(table)

    def _draw_stripped(self, table: Table) -> None:
        """Draw a table without the blanks that fill its last column."""
        with self._console.capture() as capture:
            self._console.print(table)
        self._console.file.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())

    def json(self, body: str) -> None:
        """Draw JSON with its members highlighted, as it is written, only set out in lines."""
        from rich.json import JSON

        self._console.print(JSON(body, indent=2), soft_wrap=True)

    def cautions(self, cautions: Sequence[tuple[str, Caution]]) -> None:
        """Draw warnings, each with whom it concerns and what to do."""
        if not cautions:
            return
        self.heading("Warnings")
        for name, caution in cautions:
            self.indented(f"{name}: {caution.message}", "yellow")
            if caution.hint:
                self.indented(f"try: {caution.hint}", by=4)
