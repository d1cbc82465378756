"""Tests of DOCKER_FLAGS: what they hand to LocalStack's container, and what is warned of.

The expectations are what the client's own parser does; tests/e2e holds hundreds against it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tests.support.machine import codes
from usagectl import consent

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.consent import Consent

PLAIN, PREFIXED, FLAGS = "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS", "DOCKER_FLAGS"


def container(machine: Machine, **variables: str) -> Consent:
    """Give the verdict on the container; %n stands for the name, %p for the prefixed one."""
    flags = variables.pop("flags")
    spelled = flags.replace("%p", PREFIXED).replace("%n", PLAIN)
    machine.variables = {FLAGS: spelled, **variables}
    cli, found = consent.evaluate(machine.environment(), ["localstack"])
    assert cli.decided_by.source != "flags", "the command line does not read them"
    return found


LINES = {
    "-e %n=1": "off",
    "--env=%n=true": "off",
    "-e%n=1 -e %n=0": "on",
    "-e %n=0 -e '%n=1'": "off",
    "-e %n": "on",
    "-e %p=1 -e %n=0": "off",
    "-e %p= -e %n=1": "on",
    "-v %n=1:/x": "on",
    "--memory 2g -e %n=1": "off",
    "-e %n=1 -ite %n=0": "on",
    "-e %n=1 --env": "on",
    "-e '%n=1": "off",
    "--env-file gone": "off",
    "--env-file on.env -e %n=1": "off",
    "--env-file on.env --env-file off.env": "off",
    "--env-file off.env --env-file on.env": "on",
    "--compose-env-file export.env --env-file on.env": "off",
    "--env-file export.env": "on",
}


def test_each_line(machine: Machine) -> None:
    """The last `-e` wins, then files; what docker may take and the client does not never quiets."""
    for name, text in (("on", "%n=0"), ("off", "%n=1"), ("export", "export %n=1")):
        (machine.cwd / f"{name}.env").write_text(text.replace("%n", PLAIN))
    found = {line: container(machine, flags=line).telemetry for line in LINES}
    assert found == LINES


def test_flags_beat_variables_and_profiles(machine: Machine) -> None:
    """They decide wherever they stand themselves, and status names the place and what helps."""
    found = container(machine, flags="-e %n=0", DISABLE_EVENTS="1")
    assert (found.telemetry, found.decided_by[:4]) == ("on", ("flags", PLAIN, "0", FLAGS))
    assert [(each.code, each.hint) for each in found.cautions] == [
        ("flags-win", f"export {PREFIXED}=1")
    ]
    found = container(machine, flags="-e %n=0", LOCALSTACK_DISABLE_EVENTS="1")
    assert (found.telemetry, codes(found)) == ("off", ["flags-beaten"])
    found = container(machine, flags="-e %p=0", DISABLE_EVENTS="1", LOCALSTACK_DISABLE_EVENTS="1")
    assert (found.telemetry, codes(found)) == ("on", ["flags-win"])
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(f"{FLAGS}='-e {PLAIN}=yes'\n{PLAIN}=1\n")
    machine.variables = {}
    found = consent.evaluate(machine.environment(), ["localstack"])[1]
    assert (found.telemetry, codes(found)) == ("on", ["value-ignored", "flags-win"])
    assert found.decided_by.origin == f"{FLAGS} in {machine.default_profile}"


def test_files_that_flags_name(machine: Machine) -> None:
    """A pipe is not opened; a variable that docker's own command line prefers is warned of."""
    os.mkfifo(machine.cwd / "pipe")
    found = container(machine, flags="--env-file pipe")
    assert (found.telemetry, codes(found)) == ("on", ["flags-not-read"])
    (machine.cwd / "off.env").write_text(f"{PLAIN}=1\n")
    found = container(machine, flags="--env-file off.env", DISABLE_EVENTS="0")
    assert (found.telemetry, codes(found)) == ("off", ["env-file-may-lose"])
    (machine.cwd / "bare.env").write_text(f"{PLAIN}\n")
    found = container(machine, flags="--compose-env-file bare.env", DISABLE_EVENTS="1")
    assert (found.telemetry, found.decided_by.source) == ("on", "default")
    found = container(machine, flags="-e %p=1", ENTRYPOINT="")
    assert (found.telemetry, codes(found)) == ("off", ["entrypoint-replaced"])
    found = container(machine, flags="--entrypoint /bin/sh -e %p=1")
    assert codes(found) == ["flags-not-understood", "entrypoint-replaced"]


def test_docker_reads_what_the_client_does_not(machine: Machine) -> None:
    """Its own command line starts the container on a host: what it may find there is said."""
    (machine.cwd / "on.env").write_text(f"\ufeff{PREFIXED}=0\n")
    (machine.cwd / "mac.env").write_text(f"A=1\r{PREFIXED}=1\n", newline="")
    wrong = []
    for line in ("--privileged=true", "-hmine", "-e -x", "--help=false"):
        found = container(machine, flags=f"{line} --env-file on.env", DISABLE_EVENTS="1")
        hints = [each.hint for each in found.cautions]
        if (found.telemetry, hints) != ("on", [f"export {PREFIXED}=1"]):
            wrong.append((line, found.telemetry, hints))
        both = {PLAIN: "1", PREFIXED: "1"}
        after = container(machine, flags=f"{line} --env-file on.env", **both)
        if after.telemetry != "off":
            wrong.append((line, after.telemetry, ["the hint does not help"]))
    assert wrong == []
    found = container(machine, flags="--env-file on.env", DISABLE_EVENTS="1")
    assert (found.telemetry, codes(found)) == ("off", ["env-file-may-lose"])
    found = container(machine, flags="--env-file mac.env")
    assert (found.telemetry, codes(found)) == ("off", ["env-file-may-lose"])


def test_flags_lead_the_container_elsewhere(machine: Machine) -> None:
    """The container's endpoint is what they hand to it, with the prefix before without it."""
    cases = {
        "-e ANALYTICS_API=http://a/v1": "http://a/v1",
        "-e ANALYTICS_API=http://a/v1 -e LOCALSTACK_ANALYTICS_API=http://b/v1": "http://b/v1",
        "-e X=1": "http://c/v1",
    }
    wrong = []
    for line, expected in cases.items():
        given = {} if "a/v1" in line else {"LOCALSTACK_ANALYTICS_API": expected}
        if container(machine, flags=line, **given).endpoint != expected:
            wrong.append(line)
    assert wrong == []


def test_disable_and_env_say_that_flags_defeat_them(machine: Machine) -> None:
    """Both name DOCKER_FLAGS and what helps; `env --json` lists it under `warnings`."""
    flags = {FLAGS: f"-e {PREFIXED}=0"}
    machine.install_localstack()
    done = machine.run("disable", variables=flags)
    assert (done.status, f"localstack container: {PREFIXED}=0 in {FLAGS}" in done.stdout) == (
        1,
        True,
    )
    done = machine.run("disable", "localstack", variables=flags)
    assert done.status == 1
    assert f"{PREFIXED}=0 (DOCKER_FLAGS) beats every variable and file" in done.stderr
    done = machine.run("env", variables=flags)
    assert (done.status, "export DISABLE_EVENTS=1\n" in done.stdout) == (0, True)
    assert f'try: export {FLAGS}="${FLAGS} -e {PREFIXED}=1"' in done.stderr
    warnings = machine.run("env", "--json", variables=flags).data["warnings"]
    assert [each["code"] for each in warnings] == ["flags-win"]
    assert machine.run("env", variables={FLAGS: f"-e {PREFIXED}=1"}).stderr == ""
    assert "secret" not in json.dumps(
        machine.run("status", "--json", variables={FLAGS: f"-e T=secret -e {PLAIN}=0"}).data
    )
