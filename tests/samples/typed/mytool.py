"""A tool as its author writes it, with every public name of usagectl: checked, run and tested."""

from __future__ import annotations

from typing import Annotated

import typer

import usagectl
from usagectl import Field, Kind, Tracker, instrument

ENDPOINT = "https://events.example.org/v1"

BUILT = Kind(
    "mytool_built",
    "A build ended.",
    when="After each build.",
    fields=[
        Field("seconds", "number", "How long it took."),
        Field("target", "string", "What was built.", choices=["wheel", "sdist"]),
        Field("reason", "string", "Why it failed.", privacy="error-text", is_optional=True),
    ],
)
FOUND = Kind(
    "mytool_found",
    "Looks into the cache.",
    fields=(Field("is_hit", "boolean", "Whether it was there."),),
    is_counter=True,
)
KINDS = [BUILT, FOUND]

app = instrument(
    typer.Typer(), "mytool", version=usagectl.__version__, endpoint=ENDPOINT, kinds=KINDS
)


@app.callback()
def main() -> None:
    """Build things."""


@app.command()
def build(target: Annotated[str, typer.Option()] = "wheel") -> None:
    """Build one thing."""
    with Tracker("mytool", version="1.2.0", endpoint=ENDPOINT, kinds=KINDS) as tracker:
        tracker.count(FOUND, is_hit=False)
        tracker.record(BUILT, seconds=2.5, target=target)
        tracker.run_init(stage="READY", scripts=2, duration=12.5)
        tracker.aws_request(service="sqs", operation="DeleteQueue", status_code=200)
        tracker.cli_cmd(cmd="mytool build", params=["target"])
        tracker.flush()
    typer.echo(tracker.dropped)


def switch(*, off: bool) -> list[str]:
    """Switch the tool, and list what its parts do now."""
    environment: usagectl.Environment = usagectl.current_environment()
    done = (usagectl.disable if off else usagectl.enable)(environment, ["mytool"])
    verdicts: tuple[usagectl.Consent, ...] = usagectl.evaluate(environment, ["mytool"])
    return [verdict.telemetry for verdict in (*done.consents, *verdicts)]


def problem_of(tracker: Tracker) -> str:
    """Say what a strict tracker has against an event: a stable code and a next step."""
    try:
        tracker.record(BUILT, seconds=1.0, target="egg")
    except (usagectl.EventShapeError, usagectl.UndeclaredKindError) as error:
        return f"{error.code}: {error.message} {error.hint}"
    except usagectl.TrackerClosedError as error:
        return error.code
    except (usagectl.InvalidKindError, usagectl.InvalidValueError, usagectl.UnknownToolError):
        return "a slip in a declaration"
    except usagectl.UsageError as error:
        return str(error.exit_status)
    except usagectl.UsagectlError as error:
        return str(error)
    return ""
