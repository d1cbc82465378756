"""Hold what two reviews of the whole found: each test was once a wrong answer."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from usagectl import consent, errors, settings, status
from usagectl.errors import FileCorruptError, InvalidValueError
from usagectl.machine.paths import parse_folder
from usagectl.tools.base import mask_credentials
from usagectl.tools.localstack_rules import is_version

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine


def test_another_setting_is_not_written_into_a_corrupt_file(machine: Machine) -> None:
    """An off that stands in a file nobody can read is not lost by storing something else."""
    machine.config_dir.mkdir()
    file = machine.config_dir / "settings.toml"
    file.write_text('[telemetry]\nmode = "off"\nbroken')
    with pytest.raises(FileCorruptError):
        settings.save(machine.environment(), {"cache_dir": "/x"})
    assert consent.evaluate(machine.environment(), ["usagectl"])[0].telemetry == "off"
    assert file.read_text().endswith("broken")


@pytest.mark.parametrize(
    "text", ['mode = "off"\n', '[telemtry]\nmode = "off"\n', '[telemetry]\nmodes = "off"\n']
)
@pytest.mark.parametrize("place", ["policy", "project"])
def test_a_slip_of_the_pen_in_a_restriction_restricts(
    machine: Machine, text: str, place: str
) -> None:
    """A policy or project file with a key that means nothing counts as off, and says so."""
    file = machine.root / "etc/usagectl/policy.toml"
    if place == "project":
        file = machine.cwd / ".usagectl.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    found = consent.evaluate(machine.environment(), ["usagectl"])[0]
    assert found.telemetry == "off"
    assert [caution.code for caution in found.cautions] == [f"{place}-unknown-key"]


def test_one_loud_block_makes_the_lstk_container_loud(machine: Machine) -> None:
    """Of several container blocks, one that is not opted out is enough."""
    folder = machine.cwd / ".lstk"
    folder.mkdir()
    quiet = '[[containers]]\nenv = ["quiet"]\n[env.quiet]\nDISABLE_EVENTS = "1"\n'
    (folder / "config.toml").write_text(quiet)
    assert consent.evaluate(machine.environment(), ["lstk"])[1].telemetry == "off"
    (folder / "config.toml").write_text(f'[[containers]]\ntype = "aws"\n{quiet}')
    assert consent.evaluate(machine.environment(), ["lstk"])[1].telemetry == "on"


def test_a_folder_that_is_no_utf8_is_refused(machine: Machine) -> None:
    """A name that settings cannot hold is an error, not a traceback."""
    environment = machine.environment(cwd=machine.folder / "bad\udcff")
    with pytest.raises(InvalidValueError):
        parse_folder(environment, "./x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/v1", "http://h/v1"),
        ("https://me:secret@h/v1", "https://********@h/v1"),
        ("me:secret@h/v1", "********@h/v1"),
        ("http://me:s3/cret@h/v1", "http://********@h/v1"),
        ("http://h/v1?token=secret", "http://h/v1?********"),
    ],
)
def test_credentials_of_a_url_are_masked(url: str, shown: str) -> None:
    """No part of a user, a password or a query is shown."""
    assert mask_credentials(url) == shown


@pytest.mark.parametrize("text", ["4.12.0", "1.0.5.dev", "2026.8.2", "4.13.0rc1"])
def test_a_version_is_one(text: str) -> None:
    """The forms that LocalStack publishes are versions."""
    assert is_version(text)


@pytest.mark.parametrize("text", ["", "x", "4.12.0 rubbish", "4.12.0\n", "4..1"])
def test_what_is_no_version_is_refused(text: str) -> None:
    """Nothing else gets into a header that preview shows."""
    assert not is_version(text)


def test_the_environment_that_beats_a_profile_is_said(machine: Machine) -> None:
    """An empty variable over an opted-out profile is the main why: it is a warning."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text("DISABLE_EVENTS=1\n")
    machine.variables = {"DISABLE_EVENTS": ""}
    for found in consent.evaluate(machine.environment(), ["localstack"]):
        assert found.telemetry == "on"
        assert [caution.code for caution in found.cautions] == ["environment-wins"]
        assert [switch.source for switch in found.overridden] == ["profile"]


def test_a_neutral_variable_is_not_overridden(machine: Machine) -> None:
    """DO_NOT_TRACK=0 wanted nothing, so nothing was beaten."""
    machine.variables = {"DO_NOT_TRACK": "0"}
    assert all(not found.overridden for found in status.collect(machine.environment()).consents)


def test_a_hint_is_one_safe_command(tmp_path: Path) -> None:
    """A path with blanks and shell signs stays one word of the command that is proposed."""
    odd = tmp_path / "my cache; echo pwned" / "machine.json"
    hint = errors.LinkOutsideError(odd, target=tmp_path).hint
    assert shlex.split(hint) == ["rm", str(odd)]


def test_status_and_switching_name_the_same_machine_id(machine: Machine) -> None:
    """The container reads the command line's mounted file, whichever command is asked."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text('{"machine_id": "gen_12345678-abc"}')
    answers = [
        machine.run(*words, "--json").data for words in (["status"], ["enable", "--dry-run"])
    ]
    seen = [[part["machine_id"] for part in answer["tools"]] for answer in answers]
    assert seen[0] == seen[1]
    assert seen[0][1] == {
        "value": "gen_********",
        "kind": "random",
        "path": str(machine.machine_json),
    }


def test_preview_says_when_of_localstack_alone(machine: Machine) -> None:
    """When LocalStack sends an event is no word on when usagectl records its own."""
    assert "localstack CLI" not in machine.run("preview", "usagectl").stdout
    assert "session: Once for each process" in machine.run("preview", "localstack").stdout
