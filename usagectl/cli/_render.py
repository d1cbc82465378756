"""Pages drawn for a person, and progress bars; the only importer of rich.

Colour and width follow the terminal, NO_COLOR and FORCE_COLOR. In a pipe
nothing is wrapped, so that lines can be searched and cut; only prose is, which
goes to a pager, and even there a row of three cells or more stays one line.
"""

from __future__ import annotations

import os
import re
import sys
from itertools import cycle
from typing import TYPE_CHECKING, Literal, Self

from usagectl.errors import LibraryMissingError
from usagectl.showing import printable_line

try:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text
except ModuleNotFoundError as error:  # An application may have brought Typer without it.
    raise LibraryMissingError("rich") from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from usagectl.tools.base import Caution

_PIPE_WIDTH = 100_000
_PROSE_WIDTH = 80
_TERM_WIDTH = 24
"""Terms up to here stand beside their texts, longer ones above, unless the texts are short."""

_LAST_WIDTH = 16
_BARS_WIDTH = 100
_BAR_MARKS = "#=+-*o"
_BAR_BLOCK = "▇"  # It leaves a gap to the bar of the line above.
_BAR_STYLES = ("cyan", "magenta", "yellow", "green", "blue", "red")
_MOST_CHARACTERS = 64 * 1024
_MOST_BRACKETS = 200
_PARTS = re.compile(r"[^=_.,:-]*[=_.,:-]|[^=_.,:-]+")
_FILLING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$")


class _Console(Console):
    """A console that raises when the reader has gone; rich would exit."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def error_console() -> Console:
    """Make the console for stderr, where live displays are drawn."""
    return Console(stderr=True, color_system=_colours())


def _colours() -> Literal["auto"] | None:
    """Ask rich for no colours with NO_COLOR: of itself it would still write bold."""
    return None if os.environ.get("NO_COLOR") else "auto"


def _prose_width() -> int:
    """Width of prose in a pipe: as COLUMNS or the terminal on stderr says, else 80."""
    if columns := _columns():
        return columns
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _PROSE_WIDTH
    except (OSError, ValueError):  # No terminal, or no file at all.
        return _PROSE_WIDTH


def _columns() -> int:
    """Return the width that COLUMNS says; 0 without one."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else 0


_BAR_WIDTH = 40
"""The least that a bar and its numbers take."""


class BarMeter:
    """A progress bar on stderr."""

    def __init__(self, what: str, unit: str = "events") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        self._progress = Progress(
            "{task.description}",
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            unit,
            TimeRemainingColumn(),
            console=error_console(),
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task(what, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: int, planned: int | None) -> None:
        """Show how many events are done, and of how many."""
        self._progress.update(self._task, completed=done, total=planned)

    def tell(self, what: str) -> None:
        """Write in front of the bar what is done, where its numbers leave room for that."""
        from rich.cells import set_cell_size
        from rich.markup import escape

        room = self._progress.console.width - _BAR_WIDTH
        if room >= _BAR_WIDTH:
            text = set_cell_size(printable_line(what), min(room, cell_len(what)))
            self._progress.update(self._task, description=escape(text))


def _fold_paths(text: str, width: int) -> str:
    """Break paths that are longer than a line behind a slash, not inside a name.

    A name that is too long for a line is broken behind a mark such as `_` or `=`.
    """
    if len(text) <= width:
        return text
    return " ".join(_fold_path(word, width) for word in text.split(" "))


def _fold_path(word: str, width: int) -> str:
    names = _joined(re.findall(r"[^/]*/|[^/]+", word), width)
    return "\n".join(line for name in names for line in _joined(_PARTS.findall(name), width))


def _joined(pieces: Sequence[str], width: int) -> list[str]:
    """Join pieces to lines that are no longer than a width, as far as each piece fits."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and cell_len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def _least_width(column: Sequence[str]) -> int:
    """Return the width of the longest word of a column, or of the longest name of a path."""
    names = (name for cell in column for name in re.findall(r"[^ /]*/|[^ /]+", cell))
    return max(map(cell_len, names), default=0)


def _shared_widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Share out the width among columns by what each would take; empty where words do not fit."""
    least = [_least_width(column) for column in columns]
    wanted = [max(map(cell_len, column)) - few for column, few in zip(columns, least, strict=True)]
    spare = room - sum(least) - 2 * len(columns)
    if spare < 0:
        return []
    return [
        few + min(more, more * spare // (sum(wanted) or 1))
        for few, more in zip(least, wanted, strict=True)
    ]


def _is_as_laid_out(text: str) -> bool:
    """True if JSON set out in lines would show the same members and values, as they are written.

    False where a member stands twice, where a number or a character is written
    in another way, and where it is nested too deeply to be read.
    """
    import json

    try:
        document = json.loads(text)
        spellings = [
            json.dumps(document, separators=separators, ensure_ascii=text.isascii())
            for separators in ((",", ":"), (", ", ": "))
        ]
    except (ValueError, RecursionError):
        return False
    return text.isprintable() and text in spellings


def bar_texts(
    rows: Mapping[str, Mapping[str, int]],
    *,
    width: int,
    has_blocks: bool,
    styles: Mapping[str, str] | None = None,
) -> Iterator[Text]:
    """Yield a line for each row, its count and a bar with a part for each name; then a legend."""
    names = list(dict.fromkeys(name for counts in rows.values() for name in counts))
    drawn = {
        name: (_BAR_BLOCK if has_blocks else mark, (styles or {}).get(name, style))
        for name, mark, style in zip(names, cycle(_BAR_MARKS), cycle(_BAR_STYLES), strict=False)
    }
    totals = {row: sum(counts.values()) for row, counts in rows.items()}
    digits = max((len(str(total)) for total in totals.values()), default=1)
    label = max(map(cell_len, map(printable_line, rows)), default=0)
    room = max(min(width, _BARS_WIDTH) - label - digits - 6, 4)
    most = max(totals.values(), default=1)
    for row, counts in rows.items():
        shown = printable_line(row)
        text = Text(f"  {shown}{' ' * (label - cell_len(shown))}  {totals[row]:>{digits}}  ")
        parts = [(*drawn[name], counts[name]) for name in names if name in counts]
        yield text.append_text(_bar(parts, room, most))
    legend = Text("  ")
    for name, (mark, style) in drawn.items():
        legend.append(f"{mark} ", style=style)
        legend.append(f"{printable_line(name)}  ")
    yield legend


def _bar(parts: Sequence[tuple[str, str, int]], room: int, most: int) -> Text:
    """Draw one bar of marks, styles and counts; the smallest one has a mark still."""
    text = Text()
    begun = end = 0
    for mark, style, count in parts:
        begun += count
        width = round(begun * room / most) - end
        text.append(mark * width, style=style)
        end += width
    if not end:
        text.append(parts[0][0], style=parts[0][1])
    return text


class Page:
    """One answer, drawn top to bottom; prose (`is_prose`) is wrapped in a pipe too.

    With `heeds_columns` a pipe is as wide as COLUMNS says, if that is set.
    """

    def __init__(self, *, is_prose: bool = False, heeds_columns: bool = False) -> None:
        is_piped = not sys.stdout.isatty()
        width = _prose_width() if is_prose else _PIPE_WIDTH
        if heeds_columns:
            width = _columns() or width
        self._is_piped_prose = is_prose and is_piped
        self._console = _Console(
            file=sys.stdout,
            width=width if is_piped else None,
            color_system=_colours(),
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def line(self, text: str = "", style: str = "") -> None:
        """Draw a line of text; a long one wraps at words."""
        self._draw_text(text, style)

    def indented(self, text: str, style: str = "", *, by: int = 2) -> None:
        """Draw indented text, also where it wraps."""
        self._draw_text(text, style, by=by)

    def bullets(self, texts: Sequence[str]) -> None:
        """Draw a list; a wrapped item stays indented."""
        self.rows([("-", text) for text in texts])

    def heading(self, text: str) -> None:
        """Draw a heading after an empty line."""
        self.line()
        self.line(text, style="bold")

    def section(self, heading: str, rows: Sequence[tuple[str, ...]]) -> None:
        """Draw a heading and rows of a term and a text, or of a sentence each."""
        self.heading(heading)
        if any(len(row) == 1 for row in rows):
            self.bullets([row[0] for row in rows])
        elif self._fit_beside(rows):
            self.rows(rows)
        else:
            for term, text in rows:
                self.indented(term)
                self.indented(text, "dim", by=6)

    def _fit_beside(self, rows: Sequence[tuple[str, ...]]) -> bool:
        """True if the terms are short, or the texts are and stand beside the terms unbroken."""
        terms, *texts = (max(map(len, cells)) for cells in zip(*rows, strict=True))
        is_short = sum(texts) <= _TERM_WIDTH and 2 + terms + 2 + sum(texts) <= self.width
        return terms <= _TERM_WIDTH or is_short

    def next_step(self, text: str) -> None:
        """Draw what a person may do next, after an empty line."""
        self.line()
        self.line(f"Next: {text}")

    def more(self, count: int, way_on: str = "") -> None:
        """Draw how many rows were left out, if any were."""
        if count > 0:
            self.line(f"  and {count} more{way_on}")

    def rows(self, rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> None:
        """Draw rows in aligned columns; the last one takes what is left and wraps.

        Where that is too little, every column wraps at words; where even a column's longest
        word does not fit, each row stands in lines of its own.
        """
        if not rows:
            return
        cells = [[printable_line(cell) for cell in row] for row in rows]
        columns = list(zip(*cells, strict=True))
        *fixed, _last = (max(map(len, column)) + 2 for column in columns)
        room = self.width - 2 - sum(fixed)
        is_wide = room + 2 >= max(_LAST_WIDTH, _least_width(columns[-1]) + 2)
        if is_wide and not self._is_coloured(*styles) and self._write_plain(cells):
            return
        if self._is_piped_prose and len(fixed) > 1:
            self._write_plain(cells, is_bounded=False)
            return
        whole = [width - 2 for width in fixed]
        widths = [*whole, room] if is_wide else _shared_widths(columns, self.width - 2)
        self._draw_rows(cells, widths, styles or [""] * len(rows))

    def _draw_rows(
        self, rows: Sequence[Sequence[str]], widths: Sequence[int], styles: Sequence[str]
    ) -> None:
        """Draw rows in columns of some widths; without widths, each cell below the one before."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=0)
        for width in widths:
            table.add_column(width=width, overflow="fold")
        for row, style in zip(rows, styles, strict=True):
            if widths:
                folded = map(_fold_paths, row, widths)
                table.add_row("", *(Text(cell, style=style) for cell in folded))
                continue
            first, *others = row
            self.indented(first, style)
            self.indented("  ".join(filter(None, others)), style, by=4)
        if widths:
            self._draw_stripped(table)

    def _write_plain(self, cells: Sequence[Sequence[str]], *, is_bounded: bool = True) -> bool:
        """Write rows without rich where nothing is coloured or wrapped; False where that is needed.

        Who lists a full spool would wait many times as long for rich.
        """
        widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
        if is_bounded and 2 + sum(widths) + 2 * len(widths) > self._console.width:
            return False
        for row in cells:
            padded = (
                cell + " " * (width + 2 - cell_len(cell))
                for cell, width in zip(row, widths, strict=True)
            )
            self._console.file.write(f"  {''.join(padded)}".rstrip() + "\n")
        return True

    def _draw_text(self, text: str, style: str, *, by: int = 0) -> None:
        """Draw text; without rich where nothing is coloured or wrapped, as for dozens of warnings.

        Rich fills each line up to the width, which in a pipe is that of the longest line.
        """
        shown = printable_line(text)
        if not self._is_coloured(style) and by + cell_len(shown) <= self.width:
            self._console.file.write(f"{' ' * by}{shown}".rstrip() + "\n")
            return
        folded = Text(_fold_paths(shown, self.width - by), style=style)
        self._draw_stripped(Padding(folded, (0, 0, 0, by)) if by else folded)

    def _is_coloured(self, *styles: str) -> bool:
        """True if one of the styles is seen on this page."""
        return any(styles) and self._console.color_system is not None

    def _draw_stripped(self, drawing: Text | Table | Padding) -> None:
        """Draw without the blanks that fill the last column or stand before a wrap."""
        with self._console.capture() as capture:
            self._console.print(drawing)
        for line in capture.get().splitlines():
            stripped = _FILLING.sub(lambda filling: filling[0].replace(" ", ""), line)
            self._console.file.write(f"{stripped}\n")

    @property
    def width(self) -> int:
        """How many characters a line has room for."""
        return self._console.width

    def body(self, text: str) -> None:
        """Draw an event set out in lines, or as it is where that would be long or change it."""
        is_small = len(text) <= _MOST_CHARACTERS
        is_flat = text.count("[") + text.count("{") <= _MOST_BRACKETS
        if is_small and is_flat and _is_as_laid_out(text):
            from rich.json import JSON

            drawn = JSON(text, indent=2, ensure_ascii=text.isascii())  # Printable, so as written.
            self._console.print(drawn, soft_wrap=True)
        else:
            self.line(text)

    def bars(
        self, rows: Mapping[str, Mapping[str, int]], *, styles: Mapping[str, str] | None = None
    ) -> None:
        """Draw a bar for each row, in proportion to its count, with a part for each name.

        `styles` has the colours of names; without one for a name it gets the next that is free.
        """
        for text in bar_texts(rows, width=self.width, styles=styles, has_blocks=self._has_blocks):
            self._draw_stripped(text)

    @property
    def is_watched(self) -> bool:
        """True if stdout is a terminal: drawings are for that alone."""
        return sys.stdout.isatty()

    @property
    def _has_blocks(self) -> bool:
        """True if bars are blocks, told apart by their colours; else by their marks."""
        is_coloured = self._console.color_system is not None
        return self.is_watched and is_coloured and self._console.encoding.startswith("utf")

    def cautions(self, cautions: Sequence[tuple[str, Caution]]) -> None:
        """Draw warnings, each with the parts that it concerns and the next step."""
        if not cautions:
            return
        self.heading("Warnings")
        names: dict[Caution, list[str]] = {}
        for name, caution in cautions:
            names.setdefault(caution, []).append(name)
        for caution, concerned in names.items():
            self.indented(f"{', '.join(concerned)}: {caution.message}", "yellow")
            if caution.hint:
                self.indented(f"try: {caution.hint}", by=4)
