"""A Typer application of one command; it is instrumented before the command is there."""

from __future__ import annotations

import typer

from usagectl import instrument

app = typer.Typer()
instrument(app, "sample_single", version="0.1")


@app.command()
def main(name: str, *, loud: bool = False) -> None:
    """Greet."""
    typer.echo(f"hello {len(name)} {loud}")


if __name__ == "__main__":
    app()
