"""Tests that the README is true: its table, its commands, its exit statuses."""

from __future__ import annotations

import re

from tests.support import tables
from tests.support.machine import REPOSITORY
from usagectl import notice
from usagectl.cli import _commands
from usagectl.machine.shells import FORMATS

TEXT = tables.README.read_text(encoding="utf-8")
SET_UPS = [line for line in TEXT.splitlines() if "-m venv" in line]


def test_each_table_repeats_its_source() -> None:
    """README's fields are the notice's, CONTRIBUTING's modules say what they say themselves."""
    stale = [
        f"{file.name}: {name}"
        for (file, name), write in tables.TABLES.items()
        if tables.with_table(text := file.read_text(encoding="utf-8"), name, write()) != text
    ]
    assert stale == []
    head, rule, *rows = tables.field_table().splitlines()
    assert len(rows) == sum(len(event.fields) for event in notice.load().events)
    assert all(len(re.split(r"(?<!\\)\|", row)) == 7 for row in (head, rule, *rows))


def test_ci_runs_the_readmes_own_test_command() -> None:
    """CI takes its test command out of the README, so that the line is known to work."""
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    to_try, to_test = SET_UPS
    assert to_test not in script
    assert to_try.endswith("usagectl preview")
    assert "pytest" in to_test


def test_every_command_named_is_a_command() -> None:
    """Each `usagectl WORD` of the README is a command that exists, and none is left out."""
    named = set(re.findall(r"(?<![\w/.-])usagectl ([a-z][a-z-]+)", TEXT))
    prose = named - set(_commands.MODULES)
    assert prose <= {"go", "import", "itself", "records", "says", "scrubs", "writes"}, prose
    assert set(_commands.MODULES) - named == {"settings"} - named


def test_every_format_is_listed() -> None:
    """The formats of `env` are listed as they are."""
    listed = re.search(r"Formats: (.*)\.", TEXT)
    assert listed
    assert re.findall(r"`(\w+)`", listed[1]) == list(FORMATS)


def test_every_link_leads_somewhere() -> None:
    """A link to a file of this repository leads to one."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (REPOSITORY / target).exists(), target
