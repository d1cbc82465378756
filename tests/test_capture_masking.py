"""Tests of what a capture withholds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagectl.capture import masking

SECRET = "ls-s3cret-t0ken"  # noqa: S105  (of no account anywhere)
SECRETS = (SECRET,)


@pytest.mark.parametrize(
    ("event", "pointers"),
    [
        ('{"payload": {"api_key": "short"}}', ("/payload/api_key",)),
        (
            '{"payload":{"environment":{"auth_token_id":"x1"}}}',
            ("/payload/environment/auth_token_id",),
        ),
        (f'{{"a":["x {SECRET} y"]}}', ("/a/0",)),
        (f'{{"a/b~c":"{SECRET}"}}', ("/a~1b~0c",)),
        ('{"a":"ls-s3cret\\u002dt0ken"}', ("/a",)),
        (f'{{"{SECRET}": 1}}', ("",)),
        ('{"api_\\u006bey":"x1"}', ("/api_key",)),
        ('{"a":"{\\"api_key\\":\\"x1\\"}"}', ("/a",)),
        ('{"api_key":["x1",{"v":"x2"}],"b":"c"}', ("/api_key/0", "/api_key/1/v")),
        ('{"token":{"v":27.5},"b":[1]}', ("/token/v",)),
        ('{"apiKeys":"x","cookie":"y","auth":"z"}', ("/apiKeys", "/cookie", "/auth")),
        ('{"author":"x","tokenizer":"y","a":"auth"}', ()),
        ('{"api_key": ""}', ()),
        ('{"api_key": null}', ()),
        ('{"a": "\\"api_key\\": \\"no field\\""}', ()),
        ('{"keyboard": "us"}', ()),
    ],
)
def test_secrets_are_masked_where_they_stand(event: str, pointers: tuple[str, ...]) -> None:
    """A token is hidden by its field or by its value, escaped or not; the rest stays."""
    found = masking.mask_event(event.encode(), SECRETS)
    assert found.pointers == pointers
    assert len(found.event) == len(event)
    assert SECRET not in json.dumps(json.loads(found.event))
    if not pointers:
        assert found.event == event.encode()


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_masking_keeps_json_and_length(value: dict[str, object]) -> None:
    """Whatever an event holds, what comes out is JSON of the same length without the secret."""
    event = json.dumps({**value, "z": f"{SECRET}"}).encode()
    found = masking.mask_event(event, SECRETS)
    assert len(found.event) == len(event)
    assert json.loads(found.event).keys() == json.loads(event).keys()
    assert SECRET.encode() not in found.event


def test_paths_and_noise_are_masked_too() -> None:
    """Also percent-encoded in a path, and in a body that was cut off in the middle of a field."""
    secret = "ab/cd+canary==zz"  # noqa: S105  (of no account anywhere)
    assert "canary" not in masking.mask_text("/v1/ab%2Fcd%2Bcanary%3D%3Dzz/events", (secret,))
    assert masking.mask_text("/v1/a%20b/events", (secret,)) == "/v1/a%20b/events"
    torn = b'{"name":"session","payload":{"api_key":"ls-unknown-token-12'
    assert b"unknown" not in masking.mask_bytes(torn, ())
    assert masking.mask_bytes(b"x \xff\xfe12345678", ("\udcff\udcfe12345678",)) == b"x **********"


@pytest.mark.parametrize("inner", ["9" * 10_000, "[" * 5000 + "]" * 5000])
def test_what_python_cannot_read_is_masked_all_the_same(inner: str) -> None:
    """A number of thousands of digits and deep nesting cost the place, not the masking."""
    found = masking.mask_event(f'{{"api_key": "geheim", "x": {inner}}}'.encode(), ())
    assert found.pointers == ("",)
    assert b"geheim" not in found.event


@pytest.mark.parametrize(
    "body",
    [
        b"api_key=geheim&x=1",
        b"x=1&my-token=geheim",
        b"{'api_key': 'geheim'}",
        b'x {\\"api_key\\":\\"geheim\\"}',
        b'x {"token": 123geheim}',
        b'x {"api_key": "a\\"geheim"',
        b'x {"api_key": "it\'s geheim"}',
        b'x {"api_key": ["a", "geheim"], "b"',
        b'x {"token": {"v": "geheim"}',
        b"api_key='geheim'",
    ],
)
def test_fields_of_what_is_no_json_are_masked(body: bytes) -> None:
    """A token is hidden in forms, in single quotes and in JSON that stands in a text."""
    masked = masking.mask_bytes(body, ())
    assert b"geheim" not in masked
    assert len(masked) == len(body)


def test_utf_16_cannot_be_searched() -> None:
    """A token between zero bytes is seen; noise alone is kept."""
    assert not masking.is_searchable('{"api_key":"geheim"}'.encode("utf-16"), ())
    assert not masking.is_searchable(f"it is {SECRET}".encode("utf-16"), SECRETS)
    assert masking.is_searchable(b"\x00\xff noise", SECRETS)
