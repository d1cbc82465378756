"""Hold the SARIF log of an audit: it is valid, and the same finding is recognised again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.support.commands import run_inside
from tests.support.machine import REPOSITORY
from usagectl import notice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

KNOWN = json.dumps(
    {
        "name": "cli_cmd",
        "metadata": {"client_time": "2026-11-23 09:00:00", "session_id": "x"},
        "payload": {"cmd": "localstack start", "params": []},
    }
)
NEW = json.dumps({"name": "brand_new", "payload": {"a/b": "mail jo@corp.io"}})
GOOD = json.dumps(notice.find_event("run_init").example)


@pytest.fixture
def file(machine: Machine) -> Path:
    """Give a file with a known departure, a new one, and a good event."""
    path = machine.cwd / "events.jsonl"
    path.write_text(f"{GOOD}\n{KNOWN}\n{NEW}\n")
    return path


def sarif(machine: Machine, *arguments: str) -> dict[str, Any]:
    """Give the SARIF log of the file."""
    words = ("audit", "events.jsonl", "--format", "sarif", *arguments)
    outcome = run_inside(machine.environment(), *words)
    log = json.loads(outcome.stdout)
    assert isinstance(log, dict)
    return log


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("arguments", [(), ("--ignore", "UC201:known"), ("--reveal",)])
def test_sarif_is_valid(arguments: tuple[str, ...], machine: Machine) -> None:
    """The log conforms to the published schema of SARIF 2.1.0, suppressed findings too."""
    schema = json.loads((REPOSITORY / "tests" / "data" / "sarif-2.1.0-rtm.5.json").read_text())
    log = sarif(machine, *arguments)
    jsonschema.Draft4Validator(schema).validate(log)
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        location = result["locations"][0]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "events.jsonl"
        assert location["physicalLocation"]["region"]["startLine"] in (2, 3)
    assert sum("suppressions" in each for each in run["results"]) == ("--ignore" in arguments)


def test_sarif_fingerprints_are_stable(machine: Machine, file: Path) -> None:
    """The same departure has the same fingerprint in another run, in another line."""
    before = [each["partialFingerprints"] for each in sarif(machine)["runs"][0]["results"]]
    file.write_text(f"{GOOD}\n" * 5 + file.read_text())
    after = [each["partialFingerprints"] for each in sarif(machine)["runs"][0]["results"]]
    assert before == after
    assert len({str(each) for each in before}) == 3


def test_sarif_schema_can_fail(machine: Machine, file: Path) -> None:
    """The schema that is used tells a log from something else."""
    schema = json.loads((REPOSITORY / "tests" / "data" / "sarif-2.1.0-rtm.5.json").read_text())
    assert file.exists()
    log = sarif(machine)
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate(log)
