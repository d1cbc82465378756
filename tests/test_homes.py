"""Tests of paths that name somebody: what the audit finds, and what no scrubbed text keeps."""

from __future__ import annotations

from itertools import product

from tests.support.audit_cases import failed, rules_in, run
from tests.support.homes import HOMES, NOT_HOMES
from usagectl import audit
from usagectl.events.vocabulary import scrub, scrub_trace

NOTHING = audit.Context()


def test_paths_that_name_somebody_are_known_everywhere() -> None:
    """The audit finds each, alone and in a sentence; nothing of it is left in a scrubbed text.

    The end of an unknown path is its own, so that none is taken for a word of the sentence.
    """
    odd = []
    for path, form in product(HOMES, ("{}", "cannot open '{}' here", "path={} failed")):
        text = form.format(path)
        finding = "UC405" in rules_in(run(NOTHING, failed(text)))
        scrubbed = f"{scrub(text)}{scrub_trace(f'OSError: {text}')}"
        left = [name for name in ("alice", "moonshot", "young") if name in scrubbed]
        if not finding or left:
            odd.append((text, finding, left))
    assert odd == []


def test_a_path_that_names_nobody_is_silent() -> None:
    """A UUID, a hash, a variable, a program's folder, a web page and a runner's own folders."""
    forms = ("{}", "cannot open {} here")
    texts = [form.format(text) for text, form in product(NOT_HOMES, forms)]
    assert [text for text in texts if "UC405" in rules_in(run(NOTHING, failed(text)))] == []
