"""Tests of the forms of switches: each against the reading of a real client's own parser."""

from __future__ import annotations

import math
from configparser import RawConfigParser
from typing import TYPE_CHECKING, Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from usagectl.catalogue.entry import FORMS, Match, SwitchRule
from usagectl.tools.forms import MISSING, matches, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

NASTY = (
    *(
        "",
        " ",
        "0",
        "1",
        "2",
        "-1",
        "+1",
        "01",
        "00",
        "1.0",
        "0.5",
        "1e3",
        "1abc",
        " 1",
        "1 ",
        "1\n",
    ),
    *("true", "True", "TRUE", "tRuE", " true ", "t", "T", "false", "False", "FALSE", "f", "F"),
    *("yes", "YES", "y", "Y", "no", "No", "n", "N", "on", "ON", "off", "Off", "OFF", " off\t"),
    *("none", "null", "undefined", "NaN", "nan", "inf", "disabled", "never", "'1'", '"false"'),
    *(
        "\u0130",
        "\u212a",
        "\uff11",
        "\u00a01",
        "\ufeff1",
        "tru\u0435",
        "truetrue",
        "=1",
        "\t",
        "1;",
    ),
)
"""Values that people write, or that one parser takes and another does not."""

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=6))
json_values = st.one_of(
    *(st.none(), st.booleans(), st.integers(-2, 2), st.floats(), texts),
    *(st.lists(st.just(0), max_size=1), st.dictionaries(st.just("a"), st.just(0), max_size=1)),
)


def words(form: str, *values: object, **how: Any) -> Match:  # noqa: ANN401
    """Make a test of a value."""
    return Match(form, values, **how)  # type: ignore[arg-type]


def python_list(value: str) -> str:
    """Read `value.lower() in (...)`, as Python tools do."""
    return "off" if value.lower() in ("1", "true", "yes") else "ignored"


def python_list_stripped(value: str) -> str:
    """Read `value.strip().lower() not in ("0", "false")`."""
    return "off" if value.strip().lower() not in ("0", "false") else "ignored"


def environ_get(value: str) -> str:
    """Read `bool(os.environ.get(X))`; `!!process.env.X` is the same of a text."""
    return "off" if bool({"X": value}.get("X")) else "ignored"


def environ_has(value: str) -> str:
    """Read `X in os.environ`."""
    return "off" if "X" in {"X": value} else "ignored"


def click_bool(value: str) -> str:
    """Read Click's own boolean."""
    try:
        return "on" if click.BOOL.convert(value, None, None) else "off"
    except click.BadParameter:
        return "breaks"


def config_parser(value: str) -> str:
    """Read `getboolean` of configparser, which knack and the Azure CLI build on."""
    known = RawConfigParser.BOOLEAN_STATES
    return ("on" if known[value.lower()] else "off") if value.lower() in known else "breaks"


def go_exact(value: str) -> str:
    """Read Go's `os.Getenv(X) == "1"`."""
    return "off" if value == "1" else "ignored"


def go_parse_bool(value: str) -> str:
    """Read Go's `strconv.ParseBool`, an error of which the tool leaves alone."""
    if value in {"1", "t", "T", "TRUE", "true", "True"}:
        return "off"
    return "on" if value in {"0", "f", "F", "FALSE", "false", "False"} else "ignored"


def first_letter(value: str) -> str:
    """Read `value.lower()[0] in "ty1"`, which an empty text breaks."""
    try:
        return "on" if value.lower()[0] in "ty1" else "off"
    except IndexError:
        return "breaks"


def parse_int(value: str) -> str:
    """Read the `isTruthy` of Gatsby and Medusa: `true`, or `parseInt(value, 10) > 0`."""
    spaces = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"
    spaces += "".join(map(chr, range(0x2000, 0x200B)))
    rest = value.lstrip(spaces)
    sign = rest[:1] if rest[:1] in ("+", "-") else ""
    digits = ""
    for character in rest[len(sign) :]:
        if character not in "0123456789":
            break
        digits += character
    is_positive = bool(digits.strip("0")) and sign != "-"
    return "off" if value.lower() == "true" or is_positive else "ignored"


def prefix_off(value: str) -> str:
    """Read JavaScript's `value !== "0" && value !== "" && value !== "false"`."""
    return "ignored" if value in {"0", "", "false"} else "off"


CLICK_TRUE = ("1", "true", "t", "yes", "y", "on")
CLICK_FALSE = ("0", "false", "f", "no", "n", "off")
STATES = RawConfigParser.BOOLEAN_STATES

READINGS: list[tuple[Callable[[str], str], SwitchRule]] = [
    (python_list, SwitchRule(off=words("one-of", "1", "true", "yes", case=False))),
    (
        python_list_stripped,
        SwitchRule(off=words("anything-but", "0", "false", case=False, trim=True)),
    ),
    (environ_get, SwitchRule(off=words("non-empty"))),
    (environ_get, SwitchRule(off=words("truthy"))),
    (environ_has, SwitchRule(off=words("set"))),
    (
        click_bool,
        SwitchRule(
            off=words("one-of", *CLICK_FALSE, case=False, trim=True),
            on=words("one-of", *CLICK_TRUE, case=False, trim=True),
            empty=click_bool(""),  # type: ignore[arg-type]  # Releases differ.
            other="breaks",
        ),
    ),
    (
        config_parser,
        SwitchRule(
            off=words("one-of", *(name for name in STATES if not STATES[name]), case=False),
            on=words("one-of", *(name for name in STATES if STATES[name]), case=False),
            other="breaks",
        ),
    ),
    (go_exact, SwitchRule(off=words("equals", "1"))),
    (
        go_parse_bool,
        SwitchRule(
            off=words("one-of", "1", "t", "T", "TRUE", "true", "True"),
            on=words("one-of", "0", "f", "F", "FALSE", "false", "False"),
        ),
    ),
    (
        first_letter,
        SwitchRule(
            on=words("first-letter", "t", "y", "1", case=False), other="off", empty="breaks"
        ),
    ),
    (parse_int, SwitchRule(off=words("positive-number", "true", case=False))),
    (prefix_off, SwitchRule(off=words("anything-but", "", "0", "false"))),
]


def disagreements(value: str) -> list[tuple[str, str, str]]:
    """Name the readings that see a value otherwise than their form."""
    answers = [(read.__name__, read(value), outcome(rule, value)) for read, rule in READINGS]
    return [each for each in answers if each[1] != each[2]]


def test_each_form_reads_nasty_values_as_its_client() -> None:
    """No value that people write comes out otherwise than from the client's own parser."""
    wrong = {value: found for value in NASTY if (found := disagreements(value))}
    assert wrong == {}


@given(texts)
def test_each_form_reads_any_text_as_its_client(value: str) -> None:
    """Nor does any other text."""
    assert disagreements(value) == []


@given(texts)
def test_pydantics_boolean(value: str) -> None:
    """Pydantic's boolean is two lists without regard to case, and an error for all else."""
    pydantic = pytest.importorskip("pydantic")
    rule = SwitchRule(
        off=words("one-of", *CLICK_FALSE, case=False),
        on=words("one-of", *CLICK_TRUE, case=False),
        other="breaks",
    )
    try:
        expected = "on" if pydantic.TypeAdapter(bool).validate_python(value) else "off"
    except pydantic.ValidationError:
        expected = "breaks"
    assert outcome(rule, value) == expected


def javascript_truth(value: object) -> bool:
    """Say what `Boolean(value)` is in JavaScript."""
    if isinstance(value, list | dict):
        return True
    return not (value in (None, "", 0) or (isinstance(value, float) and math.isnan(value)))


@given(json_values)
@example(math.nan)
@example([])
def test_truth_of_a_value_in_a_file(value: object) -> None:
    """Truthy and falsy are what JavaScript and Python agree on; else a value is neither."""
    both = (bool(value), javascript_truth(value))
    found = (matches(words("truthy"), value), matches(words("falsy"), value))
    assert found == (both == (True, True), both == (False, False))


@given(value=json_values, wanted=json_values)
@example(value=True, wanted=1)
@example(value=0, wanted=False)
@example(value=1, wanted=1.0)
@example(value="true", wanted=True)
def test_values_are_compared_with_their_type(value: object, wanted: object) -> None:
    """JSON's true is neither 1 nor the text "true"; 1 and 1.0 are one number."""
    is_plain = not isinstance(wanted, list | dict)
    kinds = [
        "number" if isinstance(each, int | float) and not isinstance(each, bool) else type(each)
        for each in (value, wanted)
    ]
    expected = kinds[0] == kinds[1] and value == wanted
    assert matches(words("equals", wanted), value) is expected or not is_plain
    assert matches(words("anything-but", wanted), value) is not matches(
        words("equals", wanted), value
    )


@given(json_values)
def test_what_is_there_is_set_and_not_missing(value: object) -> None:
    """`set` takes every value, `missing` none; what is not there is taken by `missing` alone."""
    assert matches(words("set"), value)
    assert not matches(words("missing"), value)
    assert [form for form in FORMS if matches(words(form, "x"), MISSING)] == ["missing"]
    assert outcome(SwitchRule(off=words("set"), other="breaks"), MISSING) == "ignored"


def test_spaces_of_what_is_compared_with_count() -> None:
    """Go's telemetry mode is a word, or a word and a day: once is not on, then a day."""
    rule = SwitchRule(on=words("first-letter", "on ", trim=True))
    found = [outcome(rule, value) for value in ("on 2026-01-01", " on 2026", "on", "once")]
    assert found == ["on", "on", "ignored", "ignored"]


def test_dates() -> None:
    """A date is ISO 8601, TOML's own, or JavaScript's milliseconds; what is none is not later."""
    bound = words("later-than", "2022-07-01T00:00:00.000Z")
    later = [
        "2022-07-02",
        "2022-07-01T00:00:01Z",
        "2022-07-01T02:00:00.001+02:00",
        1_700_000_000_000,
    ]
    not_later: list[object] = [
        "2022-07-01T00:00:00Z",
        "2021-01-01",
        "",
        "soon",
        None,
        True,
        [],
        1e300,
        math.nan,
        0,
    ]
    assert [each for each in later if not matches(bound, each)] == []
    assert [each for each in not_later if matches(bound, each)] == []


def test_the_tests_are_tried_in_their_order() -> None:
    """An empty text first, then off, on, local; what none takes does what the rule says."""
    rule = SwitchRule(
        off=words("one-of", "a", "b", trim=True),
        on=words("one-of", "b", "c"),
        local=words("one-of", "c", "d"),
        empty="breaks",
        other="ignored",
    )
    found = {value: outcome(rule, value) for value in ("", " ", "a", " b", "b", "c", "d", "e")}
    wanted = ["breaks", "breaks", "off", "off", "off", "on", "local", "ignored"]
    assert list(found.values()) == wanted


def test_debug_lists() -> None:
    """As npm's debug reads them: stars, commas or spaces between, and what is left out."""
    named = words("debug-names", "a:b")
    assert [
        each for each in ("a:b", "*", "a*", "x,a:*", " x a:b ", "*b") if not matches(named, each)
    ] == []
    others = ("", "a", "A:B", "a:b:c", "x:*", "*,-a:b", "a:b -a*", True)
    assert [each for each in others if matches(named, each)] == []
