"""Tests of paths that name somebody: what the audit finds, and what no scrubbed text keeps."""

from __future__ import annotations

from itertools import product

from tests.support.audit_cases import other, run
from tests.support.homes import HOMES, NOT_HOMES
from usagectl import audit
from usagectl.events.vocabulary import scrub, scrub_trace


def found_in(texts: list[str]) -> set[str]:
    """Return the texts of which the audit says that they name somebody."""
    events = {f"event{number}": text for number, text in enumerate(texts)}
    result = run(audit.Context(), *(other(name, a=text) for name, text in events.items()))
    return {events[each.event] for each in result.findings if each.rule == "UC405"}


def test_paths_that_name_somebody_are_known_everywhere() -> None:
    """The audit finds each, alone and in a sentence; nothing of it is left in a scrubbed text.

    The end of an unknown path is its own, so that none is taken for a word of the sentence.
    """
    forms = ("{}", "cannot open '{}' here", "path={} failed")
    texts = [form.format(path) for path, form in product(HOMES, forms)]
    assert sorted({*texts} - found_in(texts)) == []
    scrubbed = {text: f"{scrub(text)}{scrub_trace(f'OSError: {text}')}" for text in texts}
    assert [
        (text, left)
        for text, left in scrubbed.items()
        if any(name in left for name in ("alice", "moonshot", "young"))
    ] == []


def test_a_path_that_names_nobody_is_silent() -> None:
    """A UUID, a hash, a variable, a program's folder, a web page and a runner's own folders."""
    texts = [form.format(text) for text, form in product(NOT_HOMES, ("{}", "cannot open {} here"))]
    assert sorted(found_in(texts)) == []
