"""Applications that have more recorded of each command; the first word chooses one."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

import click
import typer

from usagectl import instrument

MEMBERS = ("duration_ms", "outcome", "version")


def end(how: str, exit_error: type[Exception], abort: type[Exception]) -> None:
    """End in one of the ways in which commands end."""
    endings: dict[str, BaseException] = {
        "exit": exit_error(0),
        "exit3": exit_error(3),
        "exit130": exit_error(130),
        "abort": abort(),
        "interrupt": KeyboardInterrupt(),
        "eof": EOFError(),
        "system0": SystemExit(0),
        "system": SystemExit(),
        "system1": SystemExit("no"),
        "system130": SystemExit(130),
        "click-error": click.ClickException("no"),
        "error": RuntimeError("no"),
        "misfit": typer.BadParameter("no"),
    }
    if how in endings:
        raise endings[how]


typer_app = typer.Typer(pretty_exceptions_enable=False)


@typer_app.callback()
def root(*, verbose: bool = False) -> None:
    """Do this and that."""


@typer_app.command("end")
def typer_end(how: str, *, jobs: int = 1) -> None:  # noqa: ARG001  (it is there to be typed)
    """End in some way."""
    end(how, typer.Exit, typer.Abort)


@typer_app.command("help", no_args_is_help=True)
def typer_help(word: str) -> None:
    """Show help where nothing was typed."""


@click.group()
@click.option("--verbose", is_flag=True)
def click_app(**_: object) -> None:
    """Do this and that."""


@click_app.command("end")
@click.argument("how")
@click.option("--jobs", type=int)
def click_end(how: str, **_: object) -> None:
    """End in some way."""
    end(how, click.exceptions.Exit, click.Abort)


@click_app.command("help", no_args_is_help=True)
@click.argument("word")
def click_help(**_: object) -> None:
    """Show help where nothing was typed."""


@click_app.group(chain=True)
def steps() -> None:
    """Run several steps."""


@steps.command("slow")
def slow() -> None:
    """Take some time."""
    time.sleep(0.3)


@steps.command("quick")
def quick() -> None:
    """Take none."""


@click_app.command("shell")
@click.pass_context
def shell(ctx: click.Context) -> None:
    """Run lines below the group, as click-repl did."""
    group: Any = ctx.parent
    for line in (["end", "exit3"], ["nope"], ["end", "--nope"], ["steps", "slow"]):
        with suppress(click.ClickException, click.exceptions.Exit):
            below = group.command.make_context(None, list(line), parent=group)
            with below:
                group.command.invoke(below)


single = typer.Typer()


@single.command()
def only(number: int, *, loud: bool = False) -> None:
    """Do one thing."""


APPS: dict[str, Any] = {"typer": typer_app, "click": click_app, "single": single}

if __name__ == "__main__":
    chosen = sys.argv.pop(1)
    instrument(APPS[chosen], f"my-{chosen}", version="1.2.0", members=MEMBERS)()
