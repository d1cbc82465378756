"""A Click application of somebody else, instrumented in one line."""

from __future__ import annotations

import click

from usagectl import instrument


class Alias(click.Group):
    """A group whose commands are found by any beginning of their names."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by the beginning of its name."""
        found = [name for name in self.list_commands(ctx) if name.startswith(cmd_name)]
        return super().get_command(ctx, found[0]) if found else None


@click.group(cls=Alias)
@click.option("--profile")
@click.version_option("3.0")
def cli(profile: str | None) -> None:
    """Do this and that."""


@cli.command()
@click.argument("files", nargs=-1)
@click.option("--dry-run/--no-dry-run", default=False)
@click.option("-j", "--jobs", type=int, default=1)
@click.password_option("--secret", default="none", prompt=False)
def build(files: tuple[str, ...], *, dry_run: bool, jobs: int, secret: str) -> None:
    """Build files."""
    click.echo(f"built {len(files)} {dry_run} {jobs} {len(secret)}")


@cli.group(chain=True)
def steps() -> None:
    """Run several steps."""


@steps.command("one")
@click.option("--size")
def first(size: str | None) -> None:
    """Run the first."""
    click.echo(f"one {size is not None}")


@steps.command("two")
def second() -> None:
    """Run the second."""
    click.echo("two")


instrument(cli, "sample-click", version="3.0", endpoint="http://127.0.0.1:9/v1")

if __name__ == "__main__":
    cli()
