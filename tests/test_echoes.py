"""Hold that an error's text loses whatever repeats the parameters of its call, and little else."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagectl.echoes import MOST_CHARACTERS, is_echo, without_echoes

TEXT = SimpleNamespace()
"""What describes a text that is free."""

MAP = SimpleNamespace(key=TEXT, value=TEXT)
CALL = SimpleNamespace(
    members={
        "Table": TEXT,
        "Tags": MAP,
        "Items": SimpleNamespace(member=SimpleNamespace(members={"Key": TEXT})),
        "Mode": SimpleNamespace(enum=["request"]),
        "Limit": SimpleNamespace(),
        "Body": SimpleNamespace(),
    }
)


@pytest.mark.parametrize(
    ("params", "text", "left"),
    [
        ({"Table": "orders"}, "Role orders not found", "Role <name> not found"),
        ({"Table": "Orders"}, "Keys: [ORDERS], none", "Keys: <name> none"),
        ({"Table": "my-orders"}, "no 'orders/7'.", "no <name>"),
        ({"Table": "my_orders"}, "no my_orders here", "no <name> here"),
        ({"Table": "orders"}, "The table has no key", "The table has no key"),
        ({"Table": "x"}, "reorders", "reorders"),
        ({"Tags": {"team": "red"}}, "Tag team is not red", "Tag <name> is not <name>"),
        ({"Items": [{"Key": "a1"}]}, "The Key a1 of Items", "The Key <name> of Items"),
        ({"Unknown": "a1"}, "a1 unknown", "<name> <name>"),
        ({"Mode": "request"}, "The request failed", "The request failed"),
        ({"Limit": 11, "Table": "t"}, "11 is too many, 12 not", "<name> is too many, 12 not"),
        ({"Limit": True}, "It is True", "It is True"),
        ({"Body": b"\xff gr\xc3\xbcn"}, "near grün", "near <name>"),
        ({"Table": None, "Body": object()}, "None here", "None here"),
        ({}, "  two  spaces\n", "  two  spaces\n"),
    ],
)
def test_what_is_left(params: dict[str, Any], text: str, left: str) -> None:
    """A part of the text that repeats a word of a value goes; the names of members may stay."""
    assert without_echoes(text, params, CALL) == left


@pytest.mark.parametrize(
    ("params", "code", "is_one"),
    [
        ({"Table": "AcmeSecretProject"}, "AcmeSecretProject", True),
        ({"Table": "acme-secret-project"}, "AcmeSecretProject", True),
        ({"Table": "acmesecret"}, "NoSuchAcmeSecretTable", True),
        ({"Table": "acme"}, "Client.Acme", True),
        ({"Tags": {"payroll": "x"}}, "payroll", True),
        ({"Body": b"x" * (MOST_CHARACTERS + 1)}, "NoSuchTable", True),
        ({"Table": "table"}, "NoSuchTable", False),
        ({"Table": "orders", "Mode": "request"}, "request", False),
        ({}, "NoSuchTable", False),
    ],
)
def test_which_code_is_an_echo(params: dict[str, Any], code: str, is_one: bool) -> None:  # noqa: FBT001
    """A code that is a value of the call, or holds a long one, repeats it."""
    assert is_echo(code, params, CALL) == is_one


def test_without_a_description_all_keys_are_the_callers() -> None:
    """What cannot be told apart counts as the caller's own."""
    assert without_echoes("The Table", {"Table": {"a": 1}}, None) == "The <name>"


@pytest.mark.parametrize("body", ["x" * (MOST_CHARACTERS + 1), b"x" * (MOST_CHARACTERS + 1)])
def test_too_many_parameters_leave_no_text(body: str | bytes) -> None:
    """Parameters that are not read whole may hold any word of the text."""
    assert without_echoes("Not found", {"Body": body}, CALL) is None


def test_no_half_of_a_name_is_left() -> None:
    """A text that is too long ends before a word that would be cut."""
    text = "so " * 1364 + "orders"
    assert without_echoes(text, {"Table": "orders"}, CALL) == "so " * 1364


texts = st.text("abBÄß_-7 .'\u0130\ufb01", max_size=6)
values = st.recursive(
    texts | st.binary(max_size=4) | st.integers(-99, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)]


@given(
    st.dictionaries(st.sampled_from(["Table", "Tags", "Body", "x"]), values, max_size=3),
    st.lists(st.integers(0, 40) | st.sampled_from([" ", "'", ": ", "No ", "\n", "-", "_"])),
)
def test_no_word_of_a_parameter_is_left(params: dict[str, Any], parts: list[int | str]) -> None:
    """Whatever the parameters hold, and however the text repeats it, none of its words is left."""
    said = [text for value in params.values() for text in _texts(value)] or [""]
    text = "".join(part if isinstance(part, str) else said[part % len(said)] for part in parts)
    left = without_echoes(text, params, CALL)
    assert left is not None
    words = {word for each in said for word in re.findall(r"[^\W_]+", each.casefold())}
    assert words.isdisjoint(re.findall(r"[^\W_]+", left.replace("<name>", "").casefold()))
