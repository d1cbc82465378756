"""Tests that README and docs are true: tables, commands, links, and that README is short."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import typer

from tests.support import tables
from tests.support.commands import furnish, run_inside, tree
from tests.support.machine import REPOSITORY
from usagectl import notice
from usagectl.cli import _commands
from usagectl.machine.shells import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine

README = tables.README.read_text(encoding="utf-8")
PAGES = {file: file.read_text(encoding="utf-8") for file in tables.PAGES}
TEXT = "\n".join(text for file, text in PAGES.items() if file.name != "catalogue.md")
SET_UPS = [line for line in README.splitlines() if "-m venv" in line]
USAGE_ERROR: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]
"""Click's error of bad usage: Typer does not export it, but a child of it."""

READING = ("status", "explain", "preview", "env", "spool", "settings", "machine-id", "cache-dir")
"""Commands whose lines are run as they stand; of all others the words are read, as Typer does."""


def lines_of(text: str) -> Iterator[str]:
    """Yield what is typed for `usagectl` in the blocks of a page: one command line each."""
    for block in re.findall(r"```(?:sh|console|yaml)\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            for found in re.findall(r"(?:^|[ (\"])usagectl (?!-)(.+)", line.partition("  #")[0]):
                yield re.split(r"\)| [|>&]", found)[0].strip()


def test_each_table_repeats_its_source() -> None:
    """The fields in docs are the notice's, CONTRIBUTING's modules say what they say themselves."""
    stale = [
        f"{file.name}: {name}"
        for (file, name), write in tables.TABLES.items()
        if tables.with_table(text := file.read_text(encoding="utf-8"), name, write()) != text
    ]
    assert stale == []
    head, rule, *rows = tables.field_table().splitlines()
    assert len(rows) == sum(len(event.fields) for event in notice.load().events)
    assert all(len(re.split(r"(?<!\\)\|", row)) == 7 for row in (head, rule, *rows))


def test_readme_is_read_in_a_few_minutes() -> None:
    """At most 250 lines; what is looked up stands in docs, and README leads to each page."""
    assert len(README.splitlines()) <= 250
    unnamed = [
        file.name for file in PAGES if file.parent.name == "docs" and file.name not in README
    ]
    assert unnamed == []


def test_ci_runs_the_readmes_own_test_command() -> None:
    """CI takes its test command out of the README, so that the line is known to work."""
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    to_try, to_test = SET_UPS
    assert to_test not in script
    assert to_try.endswith("usagectl status")
    assert "pytest" in to_test
    assert not re.search(r"install.*--quiet", to_try + to_test.partition("pytest")[0])


def test_every_command_named_is_a_command() -> None:
    """Each `usagectl WORD` of the pages is a command that exists, and README leaves none out."""
    named = set(re.findall(r"(?<![\w/.-])usagectl ([a-z][a-z-]+)", TEXT))
    prose = named - set(_commands.MODULES)
    assert prose <= PROSE, prose
    unnamed = set(_commands.MODULES) - set(re.findall(r"usagectl ([a-z][a-z-]+)", README))
    assert unnamed <= {"completion"}


PROSE = {
    *(
        "and",
        "beside",
        "brings",
        "could",
        "go",
        "import",
        "itself",
        "knows",
        "lists",
        "of",
        "on",
        "records",
    ),
    *("says", "scrubs", "writes", "with"),
}
"""Words that follow the name in a sentence."""


def test_every_command_line_fits(machine: Machine) -> None:
    """Each line of a block is a command line that is taken; those that only read are run.

    The lines of docs/library.md are run one after the other by `test_library_page`.
    """
    furnish(machine)
    commands = tree()
    wrong = []
    pages = [text for file, text in PAGES.items() if file.name != "library.md"]
    for line in dict.fromkeys(each for text in pages for each in lines_of(text)):
        words = shlex.split(line)
        path = next(
            path for path in (" ".join(words[:2]), words[0], "") if path in commands or not path
        )
        if path in READING:
            done = run_inside(machine.environment(), *words)
            if done.status == 2 or "Traceback" in done.stderr:
                wrong.append((line, done.stderr))
            continue
        invocation = _commands.Invocation(words, machine.environment())
        try:
            command, rest = commands[path], words[len(path.split()) :]
            command.make_context(path, rest, obj=invocation)
        except (KeyError, USAGE_ERROR) as error:
            wrong.append((line, str(error)))
    assert wrong == []


def test_exit_statuses_and_variables_are_listed() -> None:
    """Each status that an error has, and each variable of ours that is not for our own children."""
    text = PAGES[tables.DOCS / "reference.md"]
    source = "".join(file.read_text(encoding="utf-8") for file in tables.PACKAGE.rglob("*.py"))
    statuses = text.partition("## Exit statuses")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", statuses, re.MULTILINE)
    listed = set(re.findall(r"\d+", " ".join(rows)))
    assert set(re.findall(r"exit_status = (\d+)", source)) <= listed
    ours = set(re.findall(r"\bUSAGECTL_[A-Z_]+", source))
    assert ours - INTERNAL == set(re.findall(r"^\| `(USAGECTL_\w+)`", text, re.MULTILINE))


INTERNAL = {"USAGECTL_CAPTURE", "USAGECTL_DELIVERS", "USAGECTL_END"}


def test_every_format_is_listed() -> None:
    """The formats of `env` are listed as they are."""
    listed = re.search(r"Formats: (.*)\.", TEXT)
    assert listed
    assert re.findall(r"`(\w+)`", listed[1]) == list(FORMATS)


def anchors(text: str) -> set[str]:
    """Return what a link may name of a page: its headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_link_leads_somewhere() -> None:
    """A link to a file of this repository leads to one, and to a heading that is there."""
    lost = []
    for page, text in PAGES.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
            file: Path = (page.parent / target).resolve() if target else page
            if not file.exists() or (anchor and anchor not in anchors(PAGES[file])):
                lost.append(f"{page.name}: {target}#{anchor}")
    assert lost == []
