"""The command line of brickwork: it lays walls, and records the names of its commands."""

import os
from typing import Annotated

import typer

from usagectl import instrument

app = typer.Typer()


@app.command()
def lay(
    wall: Annotated[str, typer.Argument()] = "north",
    *,
    courses: Annotated[int, typer.Option()] = 3,
    secret: Annotated[str, typer.Option()] = "",
) -> None:
    """Lay a wall."""
    typer.echo(f"laid {courses} courses of the {wall} wall{'.' if secret else ''}")


@app.command()
def fall() -> None:
    """Fail, as a wall may."""
    raise typer.Exit(4)


instrument(
    app,
    "brickwork",
    version="1.2.0",
    endpoint=os.environ.get("BRICKWORK_URL", "https://events.example.org/v1"),
    commands="telemetry",
    option="--no-telemetry",
    privacy="We count which commands are used, and nobody's name.",
    privacy_url="https://example.org/brickwork/privacy",
)
