"""The real LocalStack CLI in a sealed run: what it sends, and that each of its switches holds."""

import json
from pathlib import Path

import pytest

from tests.support import sealing

from .support import Client, Run, Sandbox, Usagectl, read_data

pytestmark = pytest.mark.e2e

HOST = "analytics.localstack.cloud"
LEADING = (
    "ANALYTICS_API",
    "API_ENDPOINT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
SWITCHES: tuple[tuple[dict[str, str], bytes | None], ...] = (
    ({"DISABLE_EVENTS": "1"}, b""),
    ({"LOCALSTACK_DISABLE_EVENTS": "1"}, None),
    ({}, b"DISABLE_EVENTS=1\n"),
    ({"DISABLE_EVENTS": "yes"}, None),
    ({"DO_NOT_TRACK": "1"}, None),
)
"""Variables and profile; `None` stands for those that the client does not take for a no (facts)."""


def sealed(usagectl: Usagectl, sandbox: Sandbox, client: Client, **changes: str) -> Run:
    """Run the client sealed, and expect silence about telemetry."""
    words = ("capture", "--sealed", "--expect", "none", "--summary", "sum.json", "--force")
    command = (*words, "--output", "out.jsonl", "--", str(client.bin_dir / "localstack"))
    leading = dict.fromkeys(LEADING)  # Nothing leads it but its own addresses.
    return usagectl.run(sandbox, *command, "config", "show", changes={**leading, **changes})


def summary(sandbox: Sandbox) -> dict[str, object]:
    """Read what the run said of itself."""
    document = json.loads((sandbox.work_dir / "sum.json").read_text(encoding="utf-8"))
    data: dict[str, object] = document["data"]
    return data


def test_the_real_client_is_caught_and_silenced(
    client: Client, usagectl: Usagectl, tmp_path: Path
) -> None:
    """Its event comes whole to the host of its own; with a switch there is not even a look-up."""
    sealing.require()
    on = Sandbox(tmp_path / "on")
    found = sealed(usagectl, on, client)
    assert (found.status, [each["host"] for each in summary(on)["hosts"]]) == (1, [HOST])  # type: ignore[attr-defined]
    lines = (on.work_dir / "out.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    assert (first["host"], first["port"], first["path"]) == (HOST, 443, "/v1/events")
    assert first["event"]["payload"]["cmd"] == "localstack config show"
    wrong = []
    for number, (variables, profile) in enumerate(SWITCHES):
        sandbox = Sandbox(tmp_path / str(number))
        if profile:
            sandbox.write("home/.localstack/default.env", profile)
        found = sealed(usagectl, sandbox, client, **variables)
        hosts = summary(sandbox)["hosts"]
        is_silent = (found.status, hosts) == (0, [])
        if is_silent != (profile is not None):
            wrong.append((variables, profile, found, hosts))
    assert wrong == []


def test_what_disable_writes_silences_it(
    client: Client, usagectl: Usagectl, tmp_path: Path
) -> None:
    """`usagectl disable localstack`, and then a sealed run that proves it."""
    sealing.require()
    sandbox = Sandbox(tmp_path)
    assert read_data(usagectl.run(sandbox, "disable", "localstack", "--json"))
    assert sealed(usagectl, sandbox, client).status == 0
    assert summary(sandbox)["hosts"] == []
