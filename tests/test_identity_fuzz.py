"""Fuzz of the identity files: any bytes are read, replaced and cleared, and none is lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import Machine
from usagectl import identity, replacement

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["machine_id", "Machine_id", ""]) | st.text(max_size=4)
DOCUMENTS = (
    st.dictionaries(KEYS, JSON, max_size=4)
    | st.lists(st.tuples(KEYS, JSON), max_size=3)
    | st.lists(st.lists(JSON, max_size=3), max_size=3)
    | JSON
)
CONTENTS = (
    st.binary(max_size=64)
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | st.builds(
        lambda document, cut, junk: json.dumps(document).encode()[cut:] + junk,
        DOCUMENTS,
        st.integers(0, 3),
        st.binary(max_size=3),
    )
    | st.text(max_size=40).map(lambda text: text.encode("utf-16"))
)


def understood(data: bytes) -> dict[str, object] | None:
    """Say what the client's `dict.update(json.load(file))` makes of the bytes, None if it fails."""
    document: dict[str, object] = {}
    try:
        document.update(json.loads(data.decode("utf-8")))
    except (ValueError, TypeError):
        return None
    return document


def survives(folder: Path, data: bytes) -> bool:
    """Tell whether a file that was set aside holds exactly these bytes."""
    return any(path.read_bytes() == data for path in folder.glob("*.corrupt-*"))


@settings(max_examples=1000)
@given(data=CONTENTS, clears=st.booleans())
def test_no_content_of_machine_json_is_too_odd(data: bytes, *, clears: bool) -> None:
    """Reading, replacing and clearing never raise; what is not understood is set aside whole."""
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        environment = machine.environment()
        file = machine.machine_json
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        before = understood(data)

        found = identity.read_all(environment)[0]
        assert (found.kind == "unreadable") == (before is None)
        identity.redact(found.value)
        if clears:
            (done,) = replacement.clear(environment)
            assert not file.exists()
        else:
            (done,) = replacement.replace(environment, {"localstack": "11111111-222"})
            after = understood(file.read_bytes())
            assert after is not None
            assert after["machine_id"] == "gen_11111111-222"
            assert after.keys() - {"machine_id"} == keys_as_text(before) - {"machine_id"}
        assert done.problem is None
        assert survives(file.parent, data) == (before is None)
        assert not list(file.parent.glob(".*")), "a temporary file was left"


def keys_as_text(document: dict[str, object] | None) -> set[str]:
    """Name the keys as JSON writes them: pairs may have brought numbers and null as keys."""
    return set(json.loads(json.dumps(document or {})))


@settings(max_examples=200)
@given(data=st.binary(max_size=64) | st.text(max_size=20).map(lambda text: text.encode()))
def test_no_content_of_lstks_file_is_too_odd(data: bytes) -> None:
    """Any bytes in lstk's bare file are read and replaced by twelve characters."""
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        file = machine.home / ".config" / "lstk" / "machine_id"
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        identity.read_all(machine.environment())
        (done,) = replacement.replace(machine.environment(), {"lstk": "11111111-222"})
        assert done.problem is None
        assert file.read_bytes() == b"11111111-222"
