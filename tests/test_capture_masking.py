"""Tests of what a capture withholds."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from usagectl.audit import Context
from usagectl.capture import masking

SECRET = "ls-s3cret-t0ken"  # noqa: S105  (of no account anywhere)
SECRETS = (SECRET,)

EVENTS: dict[str, tuple[str, ...]] = {
    '{"payload": {"api_key": "short"}}': ("/payload/api_key",),
    '{"payload":{"environment":{"auth_token_id":"x1"}}}': ("/payload/environment/auth_token_id",),
    f'{{"a":["x {SECRET} y"]}}': ("/a/0",),
    f'{{"a/b~c":"{SECRET}"}}': ("/a~1b~0c",),
    f'{{"ä":"ä {SECRET} ✓"}}': ("/ä",),
    '{"a":"ls-s3cret\\u002dt0ken"}': ("/a",),
    f'{{"{SECRET}": 1}}': ("",),
    '{"api_\\u006bey":"x1"}': ("/api_key",),
    '{"api_key":["x1",{"v":"x2"}],"b":"c"}': ("/api_key/0", "/api_key/1/v"),
    '{"token":{"v":27.5},"b":[1]}': ("/token/v",),
    '{"apiKeys":"x","cookie":"y","auth":"z"}': ("/apiKeys", "/cookie", "/auth"),
    '{"passphrase":"a","pwd":"b","dsn":"c","github_pat":"d","my_passphrase":"e"}': (
        *("/passphrase", "/pwd", "/dsn", "/github_pat", "/my_passphrase"),
    ),
    '{"a":"ghp_0123456789abcdefghijABCDEFGHIJ0123"}': ("/a",),
    '{"a":"postgres://someone:hunter2hunter2@db/x"}': ("/a",),
    '{"a":"{\\"api_key\\":\\"hunter2hunter2\\"}"}': ("/a",),
    '{"connectionString":"hunter2hunter2"}': ("/connectionString",),
    '{"name":"pwd","value":"hunter2hunter2"}': ("/value",),
    '{"v":[{"Value":"hunter2hunter2","Type":"x","Name":"passphrase"}]}': ("/v/0/Value",),
    '{"key":"secretKey","value":271}': ("/value",),
    '{"args":["--secret-key", "hunter2hunter2", "-v"]}': ("/args/1",),
    '{"headers":[["Host","h"],["Cookie","hunter2hunter2"]]}': ("/headers/1/1",),
    '{"a":"{\\"k\\":\\"pwd\\",\\"v\\":\\"hunter2hunter2\\"}"}': ("/a",),
    '{"a":"x%3D1%26secret%254Bey%3Dhunter2hunter2"}': ("/a",),
    '{"payload":{"params":["token","file"]}}': (),
    '{"name":"cmd","value":"x"}': (),
    '{"author":"x","tokenizer":"y","a":"auth"}': (),
    '{"api_key": ""}': (),
    '{"api_key": null}': (),
    '{"keyboard": "us", "primary_key": "id"}': (),
}
"""Events, and where each holds a secret."""


def test_secrets_are_masked_where_they_stand() -> None:
    """A secret is hidden by its field, its form or its value, escaped or not; the rest stays."""
    wrong = []
    for event, pointers in EVENTS.items():
        found = masking.mask_json(event.encode(), SECRETS)
        is_clear = SECRET in json.dumps(json.loads(found.text)) or b"hunter2" in found.text
        if found.pointers != pointers or is_clear or len(found.text) != len(event.encode()):
            wrong.append((event, found))
    assert wrong == []


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_masking_keeps_json_and_names(value: dict[str, object]) -> None:
    """Whatever an event holds, the result is JSON with the same names and without the secret."""
    event = json.dumps({**value, "z": f"{SECRET}"}).encode()
    found = masking.mask_json(event, SECRETS)
    assert len(found.text) == len(event)
    assert json.loads(found.text).keys() == json.loads(event).keys()
    assert SECRET.encode() not in found.text


def test_texts_are_masked_percent_encoded_too() -> None:
    """A path shows a secret neither plain nor percent-encoded, and keeps everything else."""
    secret = "ab/cd+canary==zz"  # noqa: S105  (of no account anywhere)
    assert "canary" not in masking.mask_text("/v1/ab%2Fcd%2Bcanary%3D%3Dzz/events", (secret,))
    assert "canary" not in masking.mask_text(f"/v1/{secret}/events", (secret,))
    assert masking.mask_text("/v1/a%20b/events", (secret,)) == "/v1/a%20b/events"


HOMES = (
    ('{"a":"open /home/jo/acme: no"}', '{"a":"open ~/***/**/****: no"}'),
    ('{"a":"/Users/jo"}', '{"a":"~/****/**"}'),
    ('{"a":"x=/root/acme,y"}', '{"a":"x=~/***/****,y"}'),
    ('{"a":"/srv/people/jodoe/x"}', '{"a":"~/**/******/*****/*"}'),
    ('{"a":"C:\\\\Users\\\\jo\\\\x"}', '{"a":"~/**************"}'),
    ('{"a":"%2Fhome%2Fjo%2Facme"}', '{"a":"~/*****************"}'),
    ('{"a":"{\\"cwd\\":\\"/home/jo\\"}"}', '{"a":"~/********************"}'),
    ('{"a":"/home/jo/My acme/x.txt"}', '{"a":"~/***/**/*******/*****"}'),
    ('{"a":"/home/jo smith/acme:b/x"}', '{"a":"~/***/********/******/*"}'),
    ('{"a":"/home/jo/x or not"}', '{"a":"~/***/**/* or not"}'),
    ('{"a":"/home/jo/x,rw"}', '{"a":"~/***/**/*,rw"}'),
    ('{"a":"-v/home/jo:/x"}', '{"a":"-v~/***/**:/x"}'),
    ('{"a":"https://h/home/page"}', '{"a":"https://h/home/page"}'),
    ('{"a":"/srv/people/jodoes/x /home /usr/lib"}', '{"a":"/srv/people/jodoes/x /home /usr/lib"}'),
)
"""Events, and what is kept of paths into homes: of any form, and of this machine's own."""


def test_a_path_into_a_home_is_hidden_and_still_found() -> None:
    """Neither the user nor what they work on is kept; an audit of the file says that it was there.

    A second masking changes nothing.
    """
    for event, masked in HOMES:
        found = masking.mask_json(event.encode(), (), ("/srv/people/jodoe",)).text.decode()
        assert found == masked
        assert masking.mask_json(found.encode(), (), ("/srv/people/jodoe",)).text.decode() == found
        rules = {hit.rule for hit in Context().search(json.loads(found)["a"])}
        assert ("UC405" in rules) is (event != masked), event


def test_json_that_python_cannot_read_is_masked() -> None:
    """A number of thousands of digits and deep nesting cost the pointer, not the masking."""
    for inner in ("9" * 10_000, "[" * 5000 + "]" * 5000):
        found = masking.mask_json(f'{{"api_key": "geheim", "x": {inner}}}'.encode(), ())
        assert found.pointers == ("",)
        assert b"geheim" not in found.text
