"""Tests of the comparison of outputs: what telemetry changed, and what differs by itself."""

from __future__ import annotations

import pytest

from usagectl.verify import outputs


def test_outputs_are_compared_but_for_what_differs_by_itself() -> None:
    """What is steady without telemetry has to be the same; JSON keeps its members."""
    for without, found, told in (
        ([b"a\n", b"a\n"], b"a\n", ""),
        ([b"a\n", b"a\n"], b"b\n", "line 1 is 'b' instead of 'a'"),
        ([b"a\n", b"a\n"], b"a\nx\n", "line 2 is 'x' instead of ''"),
        ([b"a\n", b"a\n"], b"", "line 1 is '' instead of 'a'"),
        ([b"", b""], b"\xff", "line 1 is '\ufffd' instead of ''"),
        ([b"t=1\na\n", b"t=2\na\n"], b"t=3\na\n", ""),
        ([b"t=1\na\n", b"t=2\na\n"], b"t=3\nb\n", "line 2 is 'b' instead of 'a'"),
        ([b'{"t": 1}', b'{"t": 2}'], b'{"t": 3}', ""),
        ([b'{"t": 1}', b'{"t": 2}'], b'{"t": 3, "u": 1}', "its JSON has other members"),
        ([b'{"t": 1}', b'{"t": 2}'], b'{"t": 3}x', "it is not JSON any more"),
        ([b'{"t": [1]}', b'{"t":\n[2]}'], b'{"t": [3]}', ""),
    ):
        assert outputs.difference(without, found) == told
    with pytest.raises(outputs.IncomparableError):  # They differ in length by themselves.
        outputs.difference([b"a\n", b"a\nb\n"], b"c")
