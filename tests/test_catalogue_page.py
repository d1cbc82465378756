"""Tests of the page of a tool: each fact stands beside what it is about, and once."""

from __future__ import annotations

import re

from usagectl import catalogue
from usagectl.catalogue.page import sections


def rows_of(name: str, heading: str) -> dict[str, str]:
    """Return the rows of a section of a tool's page, by their first cells."""
    (found,) = (each for each in sections(catalogue.entry(name)) if each.heading == heading)
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
        for section in sections(catalogue.entry(name))
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
