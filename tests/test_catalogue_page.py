"""Tests of a tool's page: whatever its entry says stands on it, in words and in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.support.commands import run_inside
from usagectl import catalogue
from usagectl.catalogue import page, wording
from usagectl.catalogue.entry import FORMS, Match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

_HELD_IN_WORDS = (
    *("form", "how", "write", "write_on", "combine", "default", "made", "reach"),
    *("other", "empty", "broken", "search", "dialect"),
)
"""Members whose value is an identifier, for which the page has a phrase."""


def texts_of(value: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401  (any data)
    """Yield every text that an entry's data hold, but for identifiers."""
    if isinstance(value, dict):
        for key, each in value.items():
            if name in ("files", "consent", "variables", "parts"):
                yield str(key)
            if key not in _HELD_IN_WORDS:
                yield from texts_of(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each, name)
    elif isinstance(value, str) and value:
        yield value


def test_every_statement_of_an_entry_is_on_its_page() -> None:
    """Variables, paths, addresses, notes, marks of what was not checked: none is left out."""
    left_out = {"name", "module", "user_agents", "event_prefix", "opt_out", "consent"}
    left_out |= {"detect", "verify"}
    lost = []
    for name in catalogue.names():
        data = {key: each for key, each in catalogue.data(name).items() if key not in left_out}
        shown = flat(page.markdown([catalogue.entry(name)]).replace("\\", "")).lower()
        for text in texts_of(data):
            words = flat(text.replace("\\", "")).lower().removeprefix("==")
            words = words.removeprefix("random").strip(" ,:.")  # It stands in a column of its own.
            if words not in shown and words.replace("-", " ") not in shown:
                lost.append((name, text))
    assert lost == []


def flat(text: str) -> str:
    """Return a text with single spaces."""
    return " ".join(text.split())


def test_each_form_has_words() -> None:
    """No form of a switch is shown as its identifier."""
    for form in FORMS:
        said = wording.describe_match(Match(form, ("x", True, "")))  # type: ignore[arg-type]
        assert said
        assert said != form


def test_a_page_is_drawn_for_every_tool(machine: Machine) -> None:
    """`explain TOOL` names the evidence with its date; what holds for other releases is marked."""
    for name in ("next", "chromadb", "docker", "localstack"):
        done = run_inside(machine.environment(), "explain", name)
        assert done.status == 0
        assert catalogue.entry(name).date in done.stdout
    shown = {each.heading for each in page.sections(catalogue.entry("chromadb"), "1.5.9")}
    assert "Releases that send nothing" in shown


def test_the_markdown_is_that_of_one_tool_or_all(machine: Machine) -> None:
    """With a name it is that tool's page, without one all of them; a wrong name is an error."""
    one = run_inside(machine.environment(), "explain", "next", "--markdown").stdout
    every = run_inside(machine.environment(), "explain", "--markdown").stdout
    assert one.count("\n## ") == 1
    assert every.count("\n## ") == len(catalogue.names())
    assert "\n## next\n" in one
    done = run_inside(machine.environment(), "explain", "nope", "--markdown")
    assert (done.status, "[unknown-tool]" in done.stderr) == (2, True)


def rows_of(name: str, heading: str) -> dict[str, str]:
    """Return the rows of a section of a tool's page, by their first cells."""
    (found,) = (each for each in page.sections(catalogue.entry(name)) if each.heading == heading)
    return {row[0]: row[-1] for row in found.rows}


def lists_twice(text: str) -> bool:
    """True if one value stands twice in an enumeration."""
    enumerations = (found.split(" or ") for found in re.findall(r"(?:[^ ,;]+ or )+[^ ,;]+", text))
    return any(len(values) != len(set(values)) for values in enumerations)


def test_no_row_of_any_page_stammers() -> None:
    """No value is listed twice, no sentence ends in two marks, no term opens its own text."""
    odd = [
        f"{name}: {row}"
        for name in catalogue.names()
        for section in page.sections(catalogue.entry(name))
        for row in section.rows
        if lists_twice(row[-1])
        or re.search(r"\.[;.](?!\S)", row[-1])
        or (section.heading == "Machine IDs" and re.search(rf"^{row[0]}|\({row[0]}\)", row[-1]))
    ]
    assert odd == []


def test_what_was_seen_stands_beside_the_switch_that_it_was_seen_of() -> None:
    """A run with the file of a home tells nothing of the project's, nor one key of a longer one."""
    heading = "Switches, in the order in which it asks them"
    dlt = rows_of("dlt", heading)
    assert "(root): sends" not in dlt["runtime.dlthub_telemetry in ./.dlt/config.toml"]
    assert "(root): sends" in dlt["runtime.dlthub_telemetry in ~/.dlt/config.toml"]
    aider = rows_of("aider", heading)
    assert "analytics-disable: true" not in aider["analytics in ~/.aider.conf.yml"]
    assert "analytics-disable: true" in aider["analytics-disable in ~/.aider.conf.yml"]


def test_what_installs_a_tool_is_known() -> None:
    """By its packages; where none is known, a command that looks for its program."""
    for name, wanted in (
        ("turbo", "npm install turbo"),
        ("dvc", "python -m pip install dvc"),
        ("go", "command -v go"),
    ):
        assert wording.way_to_install(catalogue.entry(name)).startswith(wanted)
