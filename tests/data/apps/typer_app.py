"""A Typer application of somebody else, instrumented in one line."""

from __future__ import annotations

from typing import Annotated

import typer

from usagectl import instrument

app = instrument(typer.Typer(), "sample-typer", version="1.2.0")


@app.callback()
def root(*, verbose: bool = False) -> None:
    """Do this and that."""


@app.command()
def build(
    target: Annotated[str, typer.Argument(metavar="TARGET")] = "all",
    *,
    output: Annotated[str, typer.Option("--output", "-o")] = "x",
    token: Annotated[str, typer.Option(envvar="SAMPLE_KEY")] = "",
    fail: bool = False,
) -> None:
    """Build a target."""
    typer.echo(f"built {len(target)} {len(output)} {len(token)}")
    if fail:
        raise typer.Exit(7)


@app.command()
def crash() -> None:
    """End badly."""
    raise RuntimeError


@app.command()
def refuse() -> None:
    """Find that the command line does not fit."""
    raise typer.BadParameter("no")


sub = typer.Typer()
app.add_typer(sub, name="remote")


@sub.command("add")
def add(name: str) -> None:
    """Add one."""
    typer.echo(len(name))


if __name__ == "__main__":
    app()
