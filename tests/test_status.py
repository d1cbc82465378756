"""Tests of the whole answer of status; fuzz of every file it reads: none is changed or lost.

USAGECTL_FUZZ_EXAMPLES sets how many inputs each file gets (the full run takes 10000).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usagectl import status

if TYPE_CHECKING:
    from tests.support.machine import Machine, Outcome
    from usagectl.tools.base import Telemetry

FUZZ = settings(
    max_examples=int(os.environ.get("USAGECTL_FUZZ_EXAMPLES", "100")),
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def mixed(*tokens: bytes) -> st.SearchStrategy[bytes]:
    """Draw raw bytes, or a file put together from tokens of its grammar and odd pieces."""
    odd = st.sampled_from(
        [b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b" ", b"\t", b"\\", b"\x1b"]
    )
    text = st.text(max_size=8).map(lambda drawn: drawn.encode("utf-8", "surrogatepass"))
    piece = st.one_of(st.sampled_from(tokens), st.sampled_from(tokens), odd, text)
    deep = st.tuples(st.sampled_from([b"[", b"{", b'{"a":', b"a.", b"${"]), st.integers(900, 3000))
    return st.one_of(
        st.binary(max_size=200),
        st.lists(piece, max_size=16).map(b"".join),
        st.tuples(st.lists(piece, max_size=4), deep).map(
            lambda drawn: b"".join(drawn[0]) + drawn[1][0] * drawn[1][1]
        ),
    )


JSON = mixed(
    *b"""{ } [ ] : , "machine_id" "\\ud800ab_" null NaN -1e999 "x" [["machine_id",1]]""".split(),
    b'{"machine_id": "gen_1a55233f-ee4"}',
    b'{"machine_id": ',
    b"9" * 5000,
)
PROFILE = mixed(
    *b"DISABLE_EVENTS = ' \" # ${X:-1} ${ } X=".split(),
    b"DISABLE_EVENTS=1\n",
    b"LOCALSTACK_DISABLE_EVENTS=0\n",
    b"export ",
    b"XDG_CACHE_HOME=/\n",
    b"LOCALSTACK_VOLUME_DIR='a\\nb'\n",
    b"LOCALSTACK_VOLUME_DIR=~x\n",
    b"CACHE_DIR=" + b"y" * 300 + b"\n",
    b"FILESYSTEM_ROOT=..\n",
    b"# >>> usagectl >>>\nDISABLE_EVENTS=1\n# <<< usagectl <<<\n",
)
TOML = mixed(
    *b"""telemetry . = { } ''' \"\"\" 1e999 0x""".split(),
    *(
        line + b"\n"
        for line in (
            *(b"[telemetry]", b"[[telemetry]]", b"[localstack]"),
            *(b'mode = "off"', b'mode = "on"', b'set_by = "disable"'),
            *(b"since = 2026-01-01T00:00:00Z", b"since = 0001-01-01T00:00:00+23:59"),
            *(b'cache_dir = "\\u0000"', b'cache_dir = "' + b"y" * 300 + b'"'),
            b'endpoint = "http://[::1"',
        )
    ),
    b"9" * 5000,
)


def test_what_is_louder_than_expected(machine: Machine) -> None:
    """`off` wants every part off, `local` that nothing is sent.

    What is neither here nor named does not count, nor does usagectl's own default.
    """

    def loud(expected: Telemetry, *names: str) -> list[str]:
        consents = status.collect(machine.environment(), names).consents
        return [found.name for found in status.offending(consents, expected, names)]

    parts = ["localstack cli", "localstack container"]
    assert (loud("local"), loud("off")) == ([], [])
    assert (loud("local", "localstack"), loud("off", "localstack")) == (parts, parts)
    assert (loud("local", "usagectl"), loud("off", "usagectl")) == ([], ["usagectl"])
    machine.install_localstack()
    assert (loud("local"), loud("off"), loud("off", "lstk")) == (
        *[parts] * 2,
        ["lstk cli", "lstk container"],
    )
    machine.variables = {"USAGECTL_TELEMETRY": "local"}
    assert loud("off") == [*parts, "usagectl"]


def states_of(outcome: Outcome) -> list[str]:
    """Return the verdicts of an answer."""
    return [part["telemetry"] for part in outcome.data["tools"]]


def test_what_is_not_here_is_neither_on_nor_off(machine: Machine) -> None:
    """In words, in JSON and for an expectation, whatever its switches say; by name it is judged."""
    alone = {"PATH": str(machine.bin)}  # The tools of the real machine are on the usual one.
    for value in ("", "1"):
        variables = alone | ({"DISABLE_EVENTS": value} if value else {})
        found = machine.run("status", "--expect", "off", variables=variables)
        assert found.status == 0
        assert found.stdout.startswith("Nothing here sends: no tool that does was found")
        assert "\nNext: usagectl status --all lists each tool that is known; " in found.stdout
        own = "off" if value else "local"
        assert states_of(machine.run("status", "--json", variables=variables)) == [own]
        everything = states_of(machine.run("status", "--all", "--json", variables=variables))
        assert set(everything) == {"absent", own}
        assert everything.count(own) == 1
        named = machine.run("status", "localstack", "--json", variables=variables).data["tools"]
        assert [part["telemetry"] for part in named] == ["off" if value else "on"] * 2
        preview = machine.run("preview", "--json", variables=variables).data
        assert preview["would_send"] is False
        assert [each["telemetry"] for each in preview["verdicts"][:-1]] == ["absent"]
    found = machine.run("status", "localstack", "--expect", "off")
    assert (found.status, "[expectation-failed]" in found.stderr) == (1, True)
    assert machine.run("disable", "localstack").status == 0
    assert machine.run("status", "localstack", "--expect", "off").status == 0


def test_traffic_that_no_opt_out_covers_is_listed(machine: Machine) -> None:
    """`status` and `explain` name the hosts, and the version in which they were seen."""
    hosts = "[api.localstack.cloud, assets.localstack.cloud; seen in 4.12.0]"
    assert machine.run("status", "--json").data["not_covered"] == []  # It is not here.
    listed = machine.run("status", "localstack", "--json").data["not_covered"]
    assert [text.partition(":")[0] for text in listed if hosts in text] == ["A certificate"]
    assert machine.run("status", "lstk", "--json").data["not_covered"] == []
    for words in (("explain",), ("explain", "localstack"), ("status", "localstack")):
        shown = " ".join(machine.run(*words).stdout.split())
        assert hosts in shown, words
    found = machine.run("explain", "localstack", "--json").data
    assert "assets.localstack.cloud" in {
        host for each in found["not_covered"] for host in each["hosts"]
    }
    own = machine.run("explain", "usagectl", "--json").data
    assert (own["events"], own["not_covered"]) == (["cli_cmd"], [])


FILES = {
    "machine.json": (JSON, "home/.cache/localstack-cli/machine.json"),
    "profile": (PROFILE, "home/.localstack/default.env"),
    "settings": (TOML, "config/settings.toml"),
    "policy": (TOML, "root/etc/usagectl/policy.toml"),
    "project": (TOML, "work/.usagectl.toml"),
}


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(st.data())
def test_any_bytes_in_a_file(machine: Machine, name: str, data: st.DataObject) -> None:
    """Each part gets a verdict and no file changes; a policy or project file never says on."""
    drawn, path = FILES[name]
    file = machine.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content := data.draw(drawn))
    before = sorted(os.listdir(file.parent)), file.stat().st_mtime_ns  # noqa: PTH208
    found = status.collect(machine.environment(), ("localstack", "lstk", "usagectl")).consents
    assert len(found) == 5
    assert {consent.telemetry for consent in found} <= {"on", "local", "off"}
    assert found[-1].telemetry != "on" or name not in ("policy", "project")
    assert file.read_bytes() == content
    after = sorted(os.listdir(file.parent)), file.stat().st_mtime_ns  # noqa: PTH208
    assert after == before
