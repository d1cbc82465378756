"""Text patterns: no mark misses what its pattern matches, and secrets are those of `sensitive`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.audit_cases import failed, other, rules_in, run
from tests.support.secrets import NAMES, NOT_NAMES, NOT_TOKENS, PLACED, TOKENS
from usagectl import audit
from usagectl.audit.patterns import PATTERNS, Pattern, find_telling

NOTHING = audit.Context()
SECRETS = {"UC302", "UC503", "UC504"}


@pytest.mark.parametrize(
    "pattern", PATTERNS, ids=lambda pattern: f"{pattern.rule}{pattern.marks!r}"
)
@settings(max_examples=60)
@given(data=st.data())
def test_marks_miss_no_form_of_a_pattern(pattern: Pattern, data: st.DataObject) -> None:
    """Whatever a pattern matches, and however short, holds one of its marks."""
    text = data.draw(st.from_regex(pattern.pattern, fullmatch=True))
    assert max(map(text.count, pattern.marks)) >= pattern.times


def test_every_credential_is_found() -> None:
    """Tokens of each issuer, and what stands where a credential does, are found in an error."""
    texts = {**TOKENS, **PLACED}
    missed = [
        what
        for what, text in texts.items()
        if not rules_in(run(NOTHING, failed(f"x {text} y"))) & SECRETS
    ]
    assert missed == []
    harmless = [text for text in NOT_TOKENS if {rule for rule, _ in find_telling(text)} & SECRETS]
    assert harmless == []


def test_every_name_of_a_secret_is_known() -> None:
    """A field that nobody documented and that is named like a credential holds a token."""
    missed = [
        name for name in NAMES if "UC302" not in rules_in(run(NOTHING, other("x", **{name: "v"})))
    ]
    wrong = [
        name for name in NOT_NAMES if "UC302" in rules_in(run(NOTHING, other("x", **{name: "v"})))
    ]
    assert (missed, wrong) == ([], [])
    nested = [
        name for name in NAMES if "UC302" not in rules_in(run(NOTHING, other("x", a={name: "v"})))
    ]
    assert nested == []


def test_addresses() -> None:
    """An address of a machine tells on it; a version, a name and a loopback address do not."""
    texts = {
        "10.1.2.3": True,
        "at 10.1.2.3:80": True,
        "2001:db8::1": True,
        "fe80::1:2:3": True,
        "127.0.0.1": False,
        "0.0.0.0": False,  # noqa: S104  (nothing listens)
        "::1": False,
        "a::b:c": False,
        "1.2.3": False,
        "1.2.3.4.5": False,
        "1.2.3.400": False,
    }
    found = {text: "UC502" in {rule for rule, _ in find_telling(text)} for text in texts}
    assert found == texts
