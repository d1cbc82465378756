"""The command line of plumbline: it measures walls, and asks before it records anything."""

import os

import click

from usagectl import instrument


@click.group()
def cli() -> None:
    """Measure walls."""


@cli.command()
@click.option("--height", type=float, default=2.0)
@click.argument("wall", default="north")
def measure(wall: str, height: float) -> None:
    """Measure a wall."""
    click.echo(f"the {wall} wall of {height:g} m is plumb")


@cli.command()
def drop() -> None:
    """Fail, as a line may."""
    click.get_current_context().exit(4)


instrument(
    cli,
    "plumbline",
    version="0.3.0",
    endpoint=os.environ.get("PLUMBLINE_URL", "https://events.example.org/v1"),
    commands="telemetry",
    default="ask",
    privacy="We count which commands are used.",
    privacy_url="https://example.org/plumbline/privacy",
)
