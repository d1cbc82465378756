"""A Click application with odd declarations, instrumented in one line."""

from __future__ import annotations

import os

import click

from usagectl import instrument


class Files(click.Group):
    """A group that makes a command of whatever is typed, and lists some."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List what is registered, and one that is made on demand."""
        return [*super().list_commands(ctx), "lazy"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, or make one."""
        found = super().get_command(ctx, cmd_name)
        return found or click.Command(cmd_name, callback=lambda: click.echo("ran"))


class Unseen(click.Group):
    """A group that cannot list its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Fail."""
        raise RuntimeError("no list")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """Make a command."""
        return click.Command(cmd_name, callback=lambda: click.echo("ran"))


class Slotted(click.Command):
    """A command that takes no other class."""

    def __setattr__(self, name: str, value: object) -> None:
        """Take no other class."""
        if name == "__class__":
            raise AttributeError(name)
        super().__setattr__(name, value)


class Nameless(click.Argument):
    """A parameter that no word of the command line stands for."""

    def __init__(self, name: str) -> None:
        super().__init__([name])
        self.opts: list[str] = []

    def add_to_parser(self, parser: object, ctx: click.Context) -> None:
        """Take no word."""

    def consume_value(self, *_: object) -> tuple[str, click.core.ParameterSource]:
        """Say that it was typed."""
        return "x", click.core.ParameterSource.COMMANDLINE


@click.group(cls=Files)
def cli() -> None:
    """Do this and that."""


@cli.command("db:migrate")
@click.option("--größe")
@click.option("--plain")
@click.option("/debug;/no-debug", default=False)
def migrate(**_: object) -> None:
    """Have parameters with odd names."""
    click.echo("migrated")


def _numbered() -> click.Option:
    option = click.Option(["--z"])
    option.metavar = 5  # type: ignore[assignment]
    return option


@cli.command("fork")
def fork() -> None:
    """Go on twice."""
    if os.fork():
        os.wait()
        click.echo("parent")


cli.add_command(click.Command("two words", callback=lambda: click.echo("ran")))
cli.add_command(Slotted("slotted", callback=lambda: click.echo("ran")))
cli.add_command(Unseen("unseen"))
cli.add_command(click.Command("nameless", params=[Nameless("a")], callback=lambda **_: None))
cli.add_command(click.Command("numbered", params=[_numbered()], callback=lambda **_: None))

instrument(cli, "sample-odd", version="1")

if __name__ == "__main__":
    cli()
