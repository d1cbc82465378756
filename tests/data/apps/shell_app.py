"""A Click application with a shell of its own, in the ways in which libraries make one."""

from __future__ import annotations

from contextlib import suppress

import click

from usagectl import instrument

LINES = (["build", "--fast"], ["nope"], ["build", "--nope"], ["clean"], ["build"])


@click.group()
def cli() -> None:
    """Do this and that."""


@cli.group()
def sub() -> None:
    """Do it below."""


@click.command()
@click.option("--fast", is_flag=True)
def build(*, fast: bool) -> None:
    """Build."""
    click.echo(f"built {fast}")


@click.command()
def clean() -> None:
    """Clean."""


@click.command()
@click.pass_context
def same(ctx: click.Context) -> None:
    """Invoke the group again in its own context, as click-repl 0.4 does."""
    group = ctx.parent
    assert group is not None
    first = (
        "_protected_args" if hasattr(group, "_protected_args") else "protected_args"
    )  # Click 8.1
    for line in LINES:
        setattr(group, first, line[:1])
        group.args = line[1:]
        with suppress(click.UsageError):
            group.command.invoke(group)


@click.command()
@click.pass_context
def below(ctx: click.Context) -> None:
    """Invoke the group in a context below its own, as click-repl did before."""
    group = ctx.parent
    assert group is not None
    for line in LINES:
        with (
            suppress(click.UsageError),
            group.command.make_context(None, list(line), parent=group) as inner,
        ):
            group.command.invoke(inner)


@click.command()
@click.pass_context
def alone(ctx: click.Context) -> None:
    """Run each command by itself, below its group, as click-shell does."""
    group = ctx.parent
    assert group is not None
    for name, *words in LINES:
        command = group.command.commands.get(name)  # type: ignore[attr-defined]
        with suppress(click.UsageError):
            if command is not None:
                command.main(words, name, standalone_mode=False, parent=group)
                command.main(words, name, standalone_mode=False)  # A program of its own.


@click.command()
def whole() -> None:
    """Run whole command lines."""
    for line in LINES:
        with suppress(click.UsageError):
            cli.main(line, standalone_mode=False)


for each in (build, clean, same, below, alone, whole):
    cli.add_command(each)
    sub.add_command(each)

cli = instrument(cli, "sample-shell")

if __name__ == "__main__":
    cli()
