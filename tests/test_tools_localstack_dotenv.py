"""Tests of the profiles' parser: as each python-dotenv that LocalStack allows, and which it has."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import codes
from usagectl import consent
from usagectl.tools.localstack_client import parse_version
from usagectl.tools.localstack_dotenv import (
    DIALECTS,
    ExpansionTooLargeError,
    dialect_of,
    parse,
)

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.consent import Consent

PIECES = (
    *("\ufeff", "DISABLE_EVENTS", "K", "=", "=", "=1", " = ", "'", '"', "\\", "\\\\", "\n", "\n"),
    *("\r\n", " ", "#", " # c", "1", "true", "export ", "${K}", "${X:-1}", "${NO}", "x", "\t"),
    *("\\n", "0", ":", "\u00a0", "\u00e9", "\x0b", "\u2028", "$"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=22).map("".join)
VARIABLES = {"X": "env"}
RELEASES_DIR = os.environ.get("USAGECTL_DOTENVS", "")

READER = """
import json, logging, os, sys, tempfile
import dotenv
logging.disable(logging.CRITICAL)
os.environ.clear()
os.environ["X"] = "env"
with tempfile.TemporaryDirectory() as folder:
    answers = []
    for text in json.load(sys.stdin):
        with open(folder + "/x.env", "w", newline="", encoding="utf-8") as file:
            file.write(text)
        answers.append(dotenv.dotenv_values(folder + "/x.env"))
print(json.dumps(answers))
"""


def read_by(folder: str, texts: list[str]) -> list[dict[str, str | None]]:
    """Have the python-dotenv of a folder, or ours without one, read each text as a file."""
    variables = {"PYTHONPATH": folder, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input=json.dumps(texts),
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert isinstance(answers, list)
    return answers


def generated(count: int) -> list[str]:
    """Generate profiles; always the same ones."""
    choose = random.Random(2)  # noqa: S311
    return ["".join(choose.choices(PIECES, k=choose.randint(1, 22))) for _ in range(count)]


def differences(release: str, folder: str, count: int) -> list[str]:
    """List the generated profiles that a release reads otherwise than our rules of it."""
    texts, dialect = generated(count), dialect_of(parse_version(release))
    answers = read_by(folder, texts)
    pairs = zip(texts, answers, strict=True)
    return [text for text, found in pairs if parse(text.encode(), VARIABLES, dialect) != found]


def test_the_newest_dialect_is_that_of_our_own_python_dotenv() -> None:
    """Six hundred generated profiles are read alike."""
    assert differences("1.2.4", "", 600) == []


@pytest.mark.skipif(not RELEASES_DIR, reason="needs a folder of python-dotenv releases")
def test_every_release_reads_as_its_dialect() -> None:
    """On demand: each `USAGECTL_DOTENVS/RELEASE` is a target that pip installed that release in."""
    folders = sorted(Path(RELEASES_DIR).iterdir())
    wrong = {each.name: differences(each.name, str(each), 5000) for each in folders}
    assert folders
    assert {release: found[:3] for release, found in wrong.items() if found} == {}


DIFFERENT: tuple[tuple[str, tuple[str, ...], dict[str, str], dict[str, str]], ...] = (
    ("\ufeffK=1\n", ("1.2.4", "1.2.3"), {"K": "1"}, {"\ufeffK": "1"}),
    ("K= # c\n", ("1.2.4",), {"K": ""}, {"K": "# c"}),
    ("K=#c\n", (), {}, {"K": "#c"}),
    ("A='\\\\'\nK=1 #'\n", ("1.2.4", "1.2.3"), {"A": "\\", "K": "1"}, {"A": "\\'\nK=1 #"}),
    ('A="\\\\"\nK=1\n', (), {}, {"A": "\\", "K": "1"}),
)
"""A text, the releases that read it in the first way, that way, and that of all others."""


def test_where_the_releases_differ() -> None:
    """The table of differences, each seen in the release itself."""
    wrong = []
    for text, newer, first, second in DIFFERENT:
        for dialect in DIALECTS:
            found = parse(text.encode(), {}, dialect)
            if found != (first if dialect.since in newer else second):
                wrong.append((text, dialect.since, found))
    assert wrong == []


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_any_text_is_read(text: str) -> None:
    """No text is refused or read for ever, by the rules of any release."""
    for dialect in DIALECTS:
        assert all(isinstance(name, str) for name in parse(text.encode(), VARIABLES, dialect))


def lay(
    machine: Machine, *releases: str, folder: str = "venv/lib/python3.11/site-packages"
) -> Path:
    """Lay metadata of python-dotenv beside LocalStack; no release leaves none."""
    place = machine.folder / folder
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("python_dotenv-*"):
        old.rmdir()
    for release in releases:
        (place / f"python_dotenv-{release}.dist-info").mkdir()
    return place


def cli(machine: Machine) -> Consent:
    """Give the verdict on the command line."""
    return consent.evaluate(machine.environment(), ["localstack"])[0]


MARKED = "\ufeffDISABLE_EVENTS=1\n"


def test_the_release_beside_localstack_decides(machine: Machine) -> None:
    """A mark at the beginning spoils the opt-out before 1.2.3; without a release the same, warned.

    Of several that it may import all count. Where every release reads alike, nothing is said.
    """
    machine.install_localstack()
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(MARKED)
    expected: dict[tuple[str, ...], tuple[str, list[str]]] = {
        ("1.0.1",): ("on", []),
        ("1.2.1",): ("on", []),
        ("1.2.3",): ("off", []),
        ("1.3.0",): ("off", []),
        (): ("on", ["parser-not-found"]),
        ("1.1.1", "1.2.4"): ("on", ["parser-not-found"]),
    }
    found = {}
    for releases in expected:
        lay(machine, *releases)
        verdict = cli(machine)
        found[releases] = (verdict.telemetry, codes(verdict))
    assert found == expected
    lay(machine)
    for text in ("DISABLE_EVENTS=1\n", "X=' # '\nDISABLE_EVENTS=1", "DISABLE_EVENTS= # c\n"):
        machine.default_profile.write_text(text)
        assert codes(cli(machine)) == [], text


def test_whatever_is_read_of_a_profile_is_read_as_that_release_does(machine: Machine) -> None:
    """Preview's token too: a name that the mark spoils is not set."""
    machine.install_localstack()
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text("\ufeffLOCALSTACK_AUTH_TOKEN=ls-x\n")
    tokens = []
    for release in ("1.1.1", "1.2.4"):
        lay(machine, release)
        shown = machine.run("preview", "localstack", "--raw", "--reveal").stdout
        tokens.append(json.loads(shown)["payload"]["api_key"])
    assert tokens == ["", "ls-x"]


def test_where_the_release_is_looked_for(machine: Machine) -> None:
    """A venv is closed to the user's packages; PYTHONPATH comes before everything."""
    machine.install_localstack()
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(MARKED)
    lay(machine, "1.2.4")
    lay(machine, "1.0.0", folder="home/.local/lib/python3.11/site-packages")
    assert codes(cli(machine)) == ["parser-not-found"]
    (machine.folder / "venv/pyvenv.cfg").touch()
    assert cli(machine).telemetry == "off"
    (lay(machine, "1.1.1", folder="mine") / "dotenv").mkdir()
    machine.variables = {"PYTHONPATH": str(machine.folder / "mine")}
    assert (cli(machine).telemetry, codes(cli(machine))) == ("on", [])


def test_disable_writes_for_the_release_that_is_there(machine: Machine) -> None:
    """A marked opt-out that LocalStack does not see gets a block; enable brings every byte back."""
    machine.install_localstack()
    machine.default_profile.parent.mkdir()
    for releases in (("1.1.1",), ()):
        lay(machine, *releases)
        machine.default_profile.write_text(MARKED)
        assert machine.run("disable", "localstack").status == 0
        assert machine.default_profile.read_text().endswith(
            "DISABLE_EVENTS=1\n# <<< usagectl <<<\n"
        )
        assert cli(machine).telemetry == "off"
        assert machine.run("enable").status == 0
        assert machine.default_profile.read_text() == MARKED


def test_old_releases_take_a_pipe_for_an_empty_file(machine: Machine) -> None:
    """From 1.2.1 on a pipe is read, so its content is not known here."""
    machine.install_localstack()
    machine.default_profile.parent.mkdir()
    os.mkfifo(machine.default_profile)
    found = {}
    for release in ("1.2.0", "1.2.1"):
        lay(machine, release)
        found[release] = codes(cli(machine))
    assert found == {"1.2.0": [], "1.2.1": ["profile-not-read"]}


def test_values_that_would_fill_the_memory() -> None:
    """Each line doubles the value, or names it a thousand times: refused before it is built."""
    doubling = b"A=" + b"x" * 32 + b"\n" + b"A=${A}${A}\n" * 60
    naming = b"A=" + b"x" * 100_000 + b"\nB=" + b"${A}" * 30_000 + b"\n"
    for data in (doubling, naming):
        with pytest.raises(ExpansionTooLargeError):
            parse(data, {}, DIALECTS[0])
