"""Own the table of requests that changes while they arrive; imports rich as `_render` does."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from rich.console import Console  # noqa: TID253  (drawn for a person, as in _render)
from rich.live import Live  # noqa: TID253
from rich.table import Table  # noqa: TID253
from rich.text import Text  # noqa: TID253

from usagectl.cli._output import printable_line

if TYPE_CHECKING:
    from usagectl.capture import Arrival

_ROWS = 15


class ArrivalTable:
    """Draw the newest requests on stderr."""

    def __init__(self) -> None:
        colours = None if os.environ.get("NO_COLOR") else "auto"
        console = Console(stderr=True, color_system=colours)  # type: ignore[arg-type]
        self._lock = threading.Lock()
        self._rows: deque[tuple[str, ...]] = deque(maxlen=_ROWS)
        self._requests = 0
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, arrival: Arrival) -> None:
        """Add a request; drawn with the next refresh."""
        names = ", ".join(arrival.names[:5]) or arrival.problem
        with self._lock:
            self._requests += 1
            self._rows.append(
                (time.strftime("%H:%M:%S"), arrival.tool, arrival.path, names, str(arrival.bytes))
            )

    def _draw(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        with self._lock:
            rows, requests = list(self._rows), self._requests
        for title in ("time", "tool", "path", "events", "bytes"):
            table.add_column(title, overflow="fold")
        table.add_row(
            *(Text(each, style="bold") for each in ("time", "tool", "path", "events", "bytes"))
        )
        for row in rows:
            table.add_row(*(Text(printable_line(cell)) for cell in row))
        table.caption = f"{requests} requests so far"
        return table
