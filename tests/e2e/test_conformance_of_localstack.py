"""The real LocalStack CLI under the conformance kit, and what it is known to fail."""

import os

import pytest

from usagectl import verify as conformance
from usagectl.machine import environment
from usagectl.verify import Check, Kit, Report, Spec, Switch

from .support import DEAD_ENDPOINT, Client

pytestmark = pytest.mark.e2e

COMPLETION = ("completion", "bash")
VALIDATE = ("config", "validate", "--file", "{value}.yml")
PROFILE = "~/.localstack/default.env"

# Read before the walls clear it: every switch and every kind of endpoint, in a minute more.
IS_WHOLE = bool(os.environ.get("USAGECTL_CONFORMANCE"))
SHOWN = ("DISABLE_EVENTS=1", "DISABLE_EVENTS=yes")

FAILED = {
    # Its own words for yes are 1 and true; the other two names it does not read at all.
    "off [DISABLE_EVENTS=yes]: completion bash",
    "off [LOCALSTACK_DISABLE_EVENTS=1]: completion bash",
    "off [DO_NOT_TRACK=1]: completion bash",
    # Its sender is given half a second, and the command waits for it.
    "delay [hang]: completion bash",
    "delay [drip]: completion bash",
    "delay [drop]: completion bash",
    # Its sender dies with a traceback, and not in silence.
    "output [refuse]: completion bash",
}
"""What LocalStack 4.12.0 fails; edit it for a version that fails less."""


def spec_of(client: Client) -> Spec:
    """Describe the client; whatever would talk to Docker or another host finds nobody."""
    return Spec(
        command=(str(client.bin_dir / "localstack"),),
        sends=(COMPLETION,),
        silent=(("--help",), ("--version",), ("config", "show", "--help")),
        variables={
            "OVERRIDE_IN_DOCKER": "0",
            "DOCKER_BRIDGE_IP": "127.0.0.1",
            "DOCKER_HOST": DEAD_ENDPOINT.replace("http", "tcp"),
            "API_ENDPOINT": DEAD_ENDPOINT,
        },
        files={"{value}.yml": "services:\n  one:\n    image: {value}\n"},
        off=(
            Switch({"DISABLE_EVENTS": "1"}),
            Switch({"DISABLE_EVENTS": "yes"}),
            Switch({"LOCALSTACK_DISABLE_EVENTS": "1"}),
            Switch({"DO_NOT_TRACK": "1"}),
            Switch(files={PROFILE: "DISABLE_EVENTS=1\n"}),
        ),
        # Starting its sender costs a tenth or two, more where others want the processor.
        delay_seconds=0.4,
        rounds=2,
    )


def test_the_clients_failures_are_as_recorded(client: Client) -> None:
    """Every check passes or fails as recorded, and none is left unproved."""
    spec = spec_of(client)
    checks = [
        each
        for each in conformance.plan(spec)
        if IS_WHOLE
        or each.label in SHOWN
        or each.rule in ("on", "values")
        or each.words == ("--help",)
    ]
    kit = Kit(spec, environment.from_process())
    kit.prepare(checks)
    report = Report(tuple(map(kit.run, checks)))
    told = "\n".join(each.text for each in report.results)
    assert report.names("not-proved") == (), told
    # On a busy machine more delays are too long; nothing else depends on how quick it is.
    recorded = FAILED & {each.name for each in checks}
    failed = {name for name in report.names("failed") if not name.startswith("delay")}
    assert failed == {name for name in recorded if not name.startswith("delay")}, told
    assert set(report.names("failed")) >= recorded, told
    for each in report.results:
        if each.name.startswith("output [refuse]"):
            assert each.evidence == ("stderr: line 1 is 'Process Process-1:' instead of ''",)


def test_the_client_sends_no_value(client: Client) -> None:
    """Of a command line with a file, neither the name nor anything else that was typed is sent."""
    kit = Kit(spec_of(client), environment.from_process())
    for rule in ("on", "values"):
        result = kit.run(Check(rule, VALIDATE))
        assert result.outcome == "passed", result.text
