"""Tests of registered programs: a file is written once, and read however broken it is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from usagectl import consent, tools
from usagectl.emitting import permission
from usagectl.errors import InvalidValueError
from usagectl.events.kinds import Kind
from usagectl.tools import instrumented
from usagectl.tools.instrumented import Registration

if TYPE_CHECKING:
    from tests.support.machine import Machine

MYTOOL = Registration("mytool", "1.0", "https://example.org/v1", "/bin/mytool")


def file_of(machine: Machine, name: str = "mytool") -> bytes:
    """Read a registration's file."""
    return (machine.state_dir / "tools" / f"{name}.json").read_bytes()


def lay(machine: Machine, content: bytes, name: str = "mytool.json") -> None:
    """Put a file where registrations lie."""
    folder = machine.state_dir / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def test_what_is_registered_is_what_is_read(machine: Machine) -> None:
    """A program's word is kept, written only when it changes, and private to the user."""
    environment = machine.environment()
    assert instrumented.register(environment, MYTOOL)
    assert not instrumented.register(environment, MYTOOL)
    assert instrumented.read_all(environment) == (MYTOOL,)
    assert instrumented.read(environment, "mytool") == MYTOOL
    assert instrumented.register(environment, MYTOOL._replace(version="1.1"))
    file = machine.state_dir / "tools" / "mytool.json"
    assert file.stat().st_mode & 0o777 == 0o600


def kind(name: str, text: str = "One.") -> dict[str, object]:
    """Write down a kind that is not a counter."""
    return Kind(f"mytool_{name}", text).schema("mytool")


def test_two_programs_of_one_tool_keep_each_other_s_word(machine: Machine) -> None:
    """What a later program does not say stays; of what both say, the newest holds."""
    environment = machine.environment()
    first = MYTOOL._replace(schemas=(kind("a"), kind("b")))
    second = Registration("mytool", schemas=(kind("b", "Another."), kind("c")))
    instrumented.register(environment, first)
    assert instrumented.register(environment, second)
    found = instrumented.read(environment, "mytool")
    assert found == MYTOOL._replace(schemas=(kind("a"), kind("b", "Another."), kind("c")))
    assert not instrumented.register(environment, second)
    assert instrumented.register(environment, first)
    assert instrumented.read(environment, "mytool") == found._replace(
        schemas=(kind("a"), kind("b"), kind("c"))
    )


def test_a_program_without_endpoint_sends_where_its_tool_does(machine: Machine) -> None:
    """A tracker without an endpoint beside an instrumented command line has that one's."""
    environment = machine.environment()
    for endpoint in ("https://example.org/v1", ""):
        given = permission.permit(environment, permission.Emitter("mytool", endpoint=endpoint))
        assert given is not None
        assert given.verdict.endpoint == "https://example.org/v1"


def test_usagectl_needs_no_file(machine: Machine) -> None:
    """Usagectl knows itself; a file by a built-in name, or by none of a tool, is not read."""
    environment = machine.environment()
    assert not instrumented.register(environment, Registration("usagectl"))
    for name in instrumented.TAKEN:
        lay(machine, b'{"endpoint": "http://x"}', f"{name}.json")
    for name in ("..json", "A.json", "a b.json", "x", ".mytool.json.1.tmp", "-.json"):
        lay(machine, b"{}", name)
    assert instrumented.read_all(environment) == ()
    assert [tool.name for tool in tools.known(environment)] == ["localstack", "lstk", "usagectl"]


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b'{"version": 1}',
    b'{"endpoint": "https://example.org", "version": "%b"}' % (b"1" * 3_000_000),
    b'{"kinds": {}}',
    b"\xff",
    b"[" * 100_000,
]


def test_a_broken_file_is_a_tool_without_endpoint(machine: Machine) -> None:
    """It is listed with what is wrong, sends nowhere, and is left as it is."""
    for content in BROKEN:
        lay(machine, content)
        found = instrumented.read_all(machine.environment())
        assert [(each.name, each.endpoint) for each in found] == [("mytool", "")], content[:40]
        assert str(machine.state_dir) in found[0].problem
        verdict = consent.evaluate(machine.environment(), ["mytool"])[0]
        assert [caution.code for caution in verdict.cautions] == ["registration-unreadable"]
        assert file_of(machine) == content
    assert machine.run("status", "--json").status == 0


def test_odd_things_in_the_way(machine: Machine) -> None:
    """A folder or a pipe in the place of a file is a problem, never a hang.

    With a file in the place of the folder there are no tools.
    """
    folder = machine.state_dir / "tools"
    machine.state_dir.mkdir()
    folder.write_text("x")
    assert instrumented.read_all(machine.environment()) == ()
    folder.unlink()
    (folder / "one.json").mkdir(parents=True)
    os.mkfifo(folder / "two.json")
    found = instrumented.read_all(machine.environment())
    assert [(each.name, bool(each.problem)) for each in found] == [("one", True), ("two", True)]


@profile(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda below: (
            st.lists(below)
            | st.dictionaries(
                st.sampled_from(["version", "endpoint", "program", "kinds", "name", "x-endpoint"]),
                below,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read(machine: Machine, document: object) -> None:
    """Whatever JSON a file holds, reading gives an answer, and its kinds can be asked for."""
    lay(machine, json.dumps(document).encode())
    (found,) = instrumented.read_all(machine.environment())
    assert found.name == "mytool"
    assert isinstance(found.kinds, tuple)


def test_invalid_names_are_refused() -> None:
    """A name that is invalid, or another tool's, is refused."""
    for name in ("localstack", "lstk", "", "A", "a b", "a/b", "a--b", "-a", "x" * 65):
        with pytest.raises(InvalidValueError):
            instrumented.validate_name(name)


SWITCHES: list[tuple[dict[str, str], str, str, str]] = [
    ({}, "", "local", "no switch"),
    ({"MYTOOL_TELEMETRY": "on"}, "", "on", "MYTOOL_TELEMETRY"),
    ({"USAGECTL_TELEMETRY": "on"}, "", "local", "no switch"),
    ({"USAGECTL_TELEMETRY": "local", "MYTOOL_TELEMETRY": "on"}, "", "local", "USAGECTL_TELEMETRY"),
    ({"USAGECTL_TELEMETRY": "off", "MYTOOL_TELEMETRY": "on"}, "", "off", "USAGECTL_TELEMETRY"),
    ({"MYTOOL_TELEMETRY": "on", "DO_NOT_TRACK": "1"}, "", "off", "DO_NOT_TRACK"),
    ({"MYTOOL_TELEMETRY": "yes"}, "", "off", "MYTOOL_TELEMETRY"),
    ({}, '[telemetry]\nmode = "on"', "local", "no switch"),
    ({}, '[telemetry]\nmode = "off"', "off", "telemetry.mode"),
    ({}, '[telemetry]\nmode = "off"\n[tools.mytool]\nmode = "on"', "off", "telemetry.mode"),
    ({}, '[tools.mytool]\nmode = "on"', "on", "tools.mytool.mode"),
    ({}, '[tools.mytool]\nmode = "off"', "off", "tools.mytool.mode"),
    ({}, '[tools.other]\nmode = "off"', "local", "no switch"),
    ({}, "[tools.mytool]\nmode = 1", "off", "telemetry.mode"),
]


def test_the_switches_of_a_registered_tool(machine: Machine) -> None:
    """A No for all holds for each; a Yes holds for the tool alone that it names."""
    machine.config_dir.mkdir(parents=True)
    instrumented.register(machine.environment(), MYTOOL)
    found = []
    for variables, text, _, _ in SWITCHES:
        (machine.config_dir / "settings.toml").write_text(text)
        machine.variables = variables
        verdict = consent.evaluate(machine.environment(), ["mytool"])[0]
        found.append((variables, text, verdict.telemetry, verdict.decided_by.name))
    assert found == SWITCHES


def test_a_project_file_restricts_every_tool(machine: Machine) -> None:
    """A committed file can switch off one tool or all, and gives no Yes."""
    environment = machine.environment()
    instrumented.register(environment, MYTOOL)
    file = machine.cwd / ".usagectl.toml"
    for text, expected in (
        ('[tools.mytool]\nmode = "on"', "local"),
        ('[tools.mytool]\nmode = "off"', "off"),
        ('[telemetry]\nmode = "off"', "off"),
    ):
        file.write_text(text)
        assert consent.evaluate(environment, ["mytool"])[0].telemetry == expected


def test_its_machine_id_is_its_own_and_can_be_replaced(machine: Machine) -> None:
    """The random ID of a tool is listed, masked and reset with all others."""
    environment = machine.environment()
    emitter = permission.Emitter("mytool")
    assert permission.permit(environment, emitter)
    drawn = permission.machine_id(environment, emitter)
    assert permission.machine_id(environment, emitter) == drawn
    assert drawn.startswith("gen_")
    assert drawn not in machine.run("status", "--json").stdout
    assert machine.run("reset-machine-id", "--json").status == 0
    assert permission.machine_id(environment, emitter) not in ("", drawn)
