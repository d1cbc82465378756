"""Tests of what remains of a traceback."""

from __future__ import annotations

import json
import re
import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagectl.events.vocabulary import scrub_trace

HEAD = 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n'


def raise_through_json() -> None:
    """Fail in a module of Python's own library, called from a file of ours."""
    secret = "{'canary': 1}"  # noqa: S105  (of no account anywhere)
    json.loads(secret)


def test_a_real_traceback_keeps_what_helps() -> None:
    """Type, functions, lines and installed files stay; our paths, source and values go."""
    with pytest.raises(ValueError, match="Expecting") as caught:
        raise_through_json()
    found = scrub_trace("".join(traceback.format_exception(caught.value)))
    lines = found.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert re.fullmatch(r'  File "<path>", line \d+, in raise_through_json', lines[2])
    assert re.fullmatch(r'  File "json/decoder.py", line \d+, in \w+', lines[-2])
    assert lines[-1].startswith("json.decoder.JSONDecodeError: Expecting")
    assert "canary" not in found
    assert str(sys.prefix) not in found
    assert "raise_through_json()" not in found


def test_a_made_up_traceback_keeps_no_path() -> None:
    """Windows and POSIX, installed and not; a chained error, and a message of many lines."""
    text = r"""Traceback (most recent call last):
  File "C:\Users\ann\venv\Lib\site-packages\botocore\client.py", line 5, in _make_api_call
    raise error_class(parsed, operation)
  File "/home/ann/site-packages/../secret plans.py", line 7, in secret thing
  File "<frozen importlib._bootstrap>", line 1, in _load
botocore.exceptions.ClientError: The bucket 'photos' is bad
see /home/ann/notes

During handling of the above exception, another exception occurred:

KeyError: 'canary'"""
    assert scrub_trace(text).splitlines() == [
        "Traceback (most recent call last):",
        '  File "botocore\\client.py", line 5, in _make_api_call',
        '  File "<path>", line 7, in <name>',
        '  File "<frozen importlib._bootstrap>", line 1, in _load',
        "botocore.exceptions.ClientError: The bucket <name> is bad",
        "see <path>",
        "During handling of the above exception, another exception occurred:",
        "<name>: <name>",
    ]


def test_a_message_that_is_a_name_alone_goes() -> None:
    """After the type of an error a single word is what it is about."""
    assert scrub_trace(f"{HEAD}app.NoSuchKey: payroll").endswith("app.NoSuchKey: <name>")
    assert scrub_trace(f"{HEAD}app.Error: failed").endswith("app.Error: failed")


def test_of_a_deep_traceback_the_last_fifty_frames_remain() -> None:
    """The frames nearest to the error are the ones that explain it."""
    frames = [f'  File "/a.py", line {number}, in f\n    f()' for number in range(200)]
    found = scrub_trace("\n".join([HEAD.splitlines()[0], *frames, "RecursionError"]))
    assert found.count("  File ") == 50
    assert "line 199," in found
    assert "line 149," not in found


@given(st.text())
def test_any_text_gives_plain_characters(text: str) -> None:
    """Whatever a server puts there, a text comes out, of ASCII alone."""
    assert scrub_trace(text).isascii()


def test_of_a_large_text_little_comes_out() -> None:
    """A megabyte of anything is cut to 16 KiB."""
    pieces = ("<a", "token: a ", "a", "'", '"', "\\", "/", ":", "a, ", "\n", "\ud800", "::")
    large = [piece for piece in pieces if len(scrub_trace(piece * 2**19)) > 16 * 1024]
    assert large == []
