"""What `status` predicts for the LocalStack CLI, against what that CLI does."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .configurations import Configuration, list_configurations, select_defaults
from .support import IS_WHOLE, Changes, Client, Run, Sandbox, Usagectl, is_switched_off, read_data

pytestmark = pytest.mark.e2e

ALL = list_configurations()
CHOSEN = ALL if IS_WHOLE else select_defaults(ALL)
KINDS = list(dict.fromkeys(configuration.kind for configuration in CHOSEN))
MAX_RUNS = 4


@dataclass(frozen=True, slots=True)
class Comparison:
    """One configuration, what usagectl said of it and what the client then did."""

    configuration: Configuration
    predicted: str
    did: Run

    @property
    def is_right(self) -> bool:
        """Whether "on" was said exactly when a request arrived."""
        return self.predicted == ("on" if self.did.requests else "off")

    def __str__(self) -> str:
        sent = f"{len(self.did.requests)} requests, exit {self.did.status} {self.did.last_line}"
        return f"{self.configuration.id}: predicted {self.predicted}; the client: {sent}"


def test_there_are_enough_configurations() -> None:
    """At least 140 configurations are known and 45 of them tried by default, each one once."""
    ids = {configuration.id for configuration in ALL}
    contents = {
        (tuple(sorted(one.env.items())), tuple(sorted(map(repr, one.files.items())))) for one in ALL
    }
    assert len(ALL) == len(ids) == len(contents)
    assert len(ALL) >= 140
    assert len(select_defaults(ALL)) >= 45


@pytest.mark.parametrize("kind", KINDS)
def test_status_says_on_exactly_when_the_client_sends(
    kind: str,
    client: Client,
    usagectl: Usagectl,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Telemetry of the CLI is "on" if and only if a request of the real client arrives.

    A client that crashes at start sends nothing, so "off" is right for it.
    """
    comparisons = []
    for number, configuration in enumerate(each for each in CHOSEN if each.kind == kind):
        sandbox, env = Sandbox(tmp_path / str(number)), configuration.env
        for path, entry in configuration.files.items():
            sandbox.write(path, entry)
        predicted = _predict(usagectl.run(sandbox, "status", "--json", changes=env))
        comparisons.append(Comparison(configuration, predicted, _observe(client, sandbox, env)))
    wrong = [str(comparison) for comparison in comparisons if not comparison.is_right]
    record_property("predictions", len(comparisons))
    record_property("predictions_right", len(comparisons) - len(wrong))
    assert not wrong, "\n".join(wrong)


def _predict(run: Run) -> str:
    """Read the verdict for the CLI out of a `status` answer."""
    try:
        tools = read_data(run)["tools"]
        (cli,) = [tool for tool in tools if (tool["name"], tool["part"]) == ("localstack", "cli")]
        return str(cli["telemetry"])
    except (AssertionError, KeyError, ValueError, json.JSONDecodeError) as error:
        return f"nothing readable ({error!r}; exit {run.status}; {run.last_line})"


def _observe(client: Client, sandbox: Sandbox, changes: Changes) -> Run:
    """Run the client; again when it was on by its own word but too slow to be heard.

    It gives its request half a second and then kills it (facts, part 1), which a busy
    machine may exceed. What it prints tells such a run from one that was meant to be silent.
    """
    for _ in range(MAX_RUNS):
        run = client.config_show(sandbox, changes)
        if run.connections or is_switched_off(run) is not False:
            break
    else:
        pytest.fail(f"the client is on, but nothing arrived in {MAX_RUNS} runs")
    # Two witnesses: the wire, and the client's own reading of its configuration.
    assert (is_switched_off(run) is False) == bool(run.requests), run
    return run
