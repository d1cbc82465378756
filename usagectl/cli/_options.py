"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from usagectl import tools

Json = Annotated[bool, typer.Option("--json", help="Answer as one JSON object on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show machine IDs and tokens whole instead of masked.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")]
Tools = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TOOL]...",
        help=f"Which tools: {', '.join(tools.NAMES)}. All of them without a name.",
    ),
]
