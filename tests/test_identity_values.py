"""Tests of IDs as values: their kinds, what may be typed, what the client would derive."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from usagectl import identity
from usagectl.errors import InvalidValueError
from usagectl.tools.localstack_rules import rules_for

if TYPE_CHECKING:
    from tests.support.machine import Machine

GEN = re.compile(r"gen_[0-9a-f]{8}-[0-9a-f]{3}")


def install_system_id(machine: Machine, text: str) -> None:
    """Give the machine an /etc/machine-id."""
    file = machine.root / "etc" / "machine-id"
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("gen_1a55233f-ee4", "random"),
        ("1a55233f-ee4", "random"),
        ("dkr_0123456789ab", "docker-derived"),
        ("sys_7b962d59779b", "system-derived"),
        ("1b6a2f12", "short"),
        ("gen_1A55233F-EE4", "custom"),
        ("gen_1a55233f-ee45", "custom"),
        ("sys_7b962d59779b\n", "custom"),
        ("", "custom"),
        ("anything", "custom"),
        (None, "custom"),
        (5, "custom"),
        (["x"], "custom"),
    ],
)
def test_kinds_follow_the_shapes_of_the_client(machine: Machine, value: object, kind: str) -> None:
    """The kind of an ID is found from its shape; any stored value is one."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text(json.dumps({"machine_id": value}))
    found = identity.read_all(machine.environment())[0]
    assert (found.kind, found.value, found.exists) == (kind, value, True)


@pytest.mark.parametrize("text", ["gen_1a55233f-ee4", "a", "A_b-c.9", "x" * 64])
def test_set_takes_what_a_client_could_write(text: str) -> None:
    """Letters, digits, underscore, dash and dot are taken, up to 64."""
    assert identity.validate(text) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "é", "a\n", "a/b", '"', "a\0", "$(x)"])
def test_set_refuses_all_else(text: str) -> None:
    """An empty, long or odd ID is refused with a word on what is wanted."""
    with pytest.raises(InvalidValueError):
        identity.validate(text)


def md5(text: str) -> str:
    """Compute what the client computes, written out once more."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


SYSTEM_ID = "0123456789abcdef0123456789abcdef\n"


@pytest.mark.parametrize(
    ("version", "in_container", "docker_id", "wanted"),
    [
        ("4.12.0", False, None, "sys_" + md5("ls" + SYSTEM_ID.strip())[:12]),
        ("2.3.2", False, "D:1", "dkr_" + md5("lsD:1")[:12]),
        ("4.12.0", True, "D:1", "dkr_" + md5("lsD:1")[:12]),
        ("1.4.0", False, "D:1", md5(SYSTEM_ID)[:8]),
        ("1.0.4", False, None, md5(SYSTEM_ID)[:8]),
    ],
)
def test_derived_ids_are_the_clients(
    machine: Machine, version: str, *, in_container: bool, docker_id: str | None, wanted: str
) -> None:
    """Docker's ID comes before /etc/machine-id, salted with "ls"; 1.x hashes the whole file."""
    install_system_id(machine, SYSTEM_ID)
    found = identity.derive(
        machine.environment(),
        rules_for(version),
        in_container=in_container,
        docker_id=docker_id,
    )
    assert found == (wanted, False)


@pytest.mark.parametrize(
    ("version", "in_container", "system_id", "shape"),
    [
        ("4.12.0", True, SYSTEM_ID, GEN),
        ("4.12.0", False, None, GEN),
        ("4.12.0", False, " \n", GEN),
        ("1.4.0", True, SYSTEM_ID, re.compile(r"[0-9a-f]{8}")),
        ("1.4.0", False, None, re.compile(r"[0-9a-f]{8}")),
    ],
)
def test_without_anything_to_derive_from_ids_are_random(
    machine: Machine,
    version: str,
    *,
    in_container: bool,
    system_id: str | None,
    shape: re.Pattern[str],
) -> None:
    """In a container, or without a system ID, the client draws; 1.x draws 8 digits."""
    if system_id is not None:
        install_system_id(machine, system_id)
    found, is_random = identity.derive(
        machine.environment(), rules_for(version), in_container=in_container
    )
    assert shape.fullmatch(found)
    assert is_random


@pytest.mark.parametrize(
    "value", ["gen_1a55233f-ee4", "secret", "", None, 5, ["gen_x"], "ab\x1b_c"]
)
def test_a_redacted_id_shows_its_kind_alone(value: object) -> None:
    """People paste status into bug reports: of an ID only the prefix is shown."""
    shown = identity.redact(value)
    assert shown.endswith("********")
    assert len(shown) <= 12
    assert "1a55" not in shown
    assert "secret" not in shown
