"""What `disable` and `enable` do, as the real client and the wire see it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from .support import Client, Run, Sandbox, Symlink, Usagectl, listening

pytestmark = pytest.mark.e2e

ASK_SWITCH = "import json; from localstack import config; print(json.dumps(config.DISABLE_EVENTS))"
COMMENTED = b"""\
# LocalStack of the payments team
export DEBUG=0   # quiet

  PERSISTENCE = '1'
# DISABLE_EVENTS=0 is the default
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Where a person keeps LocalStack's profile, and what is in it before."""

    name: str
    env: dict[str, str]
    files: dict[str, bytes]


CASES = [
    Case("nothing", {}, {}),
    Case("commented-profile", {}, {"home/.localstack/default.env": COMMENTED}),
    Case("no-last-newline", {}, {"home/.localstack/default.env": b"DEBUG=0"}),
    Case("crlf", {}, {"home/.localstack/default.env": b"# c\r\nDEBUG=0\r\n"}),
    Case("byte-order-mark", {}, {"home/.localstack/default.env": b"\xef\xbb\xbfDEBUG=0\n"}),
    Case("empty-profile", {}, {"home/.localstack/default.env": b""}),
    Case("open-quote", {}, {"home/.localstack/default.env": b'DEBUG=0\nX="open\nY=1\n'}),
    Case("open-quote-at-the-end", {}, {"home/.localstack/default.env": b"X='open"}),
    Case("multi-line", {}, {"home/.localstack/default.env": b'X="a\nDISABLE_EVENTS=1\n"\n'}),
    Case(
        "profile-list",
        {"CONFIG_PROFILE": "a,b"},
        {"home/.localstack/a.env": COMMENTED, "home/.localstack/b.env": b"DEBUG=0\n"},
    ),
    Case("profile-list-missing", {"CONFIG_PROFILE": "a, b"}, {}),
    Case("config-dir", {"CONFIG_DIR": "{root}/conf"}, {"conf/default.env": COMMENTED}),
    Case("config-dir-relative", {"CONFIG_DIR": "conf"}, {"work/conf/default.env": COMMENTED}),
    Case("config-dir-empty", {"CONFIG_DIR": ""}, {"work/default.env": COMMENTED}),
    Case("config-dir-missing", {"CONFIG_DIR": "{root}/new/conf"}, {}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disable_silences_the_client_and_enable_brings_it_back(
    case: Case, client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """After `disable` nothing arrives; after `enable` the client would send again.

    By its own word, that is; `test_all_tools_at_once` hears it on the wire. Every line of the
    profile stays, switching twice changes no more than once, ours sends nothing and makes no
    machine ID, and at the end each file is what it was, byte for byte.
    """
    for path, content in case.files.items():
        sandbox.write(path, content)
    before = _read_profiles(sandbox.root)

    _switch_in_silence(usagectl, sandbox, case, "disable", "disable")
    for path, content in case.files.items():
        rest = iter((sandbox.root / path).read_bytes().splitlines())
        assert all(line in rest for line in content.splitlines()), path
    assert [*sandbox.root.rglob("machine.json"), *sandbox.root.rglob("machine_id")] == []
    silent = client.config_show(sandbox, case.env)
    assert (silent.status, silent.connections) == (0, 0)

    _switch_in_silence(usagectl, sandbox, case, "enable", "enable")
    assert _read_profiles(sandbox.root) == before
    assert client.evaluate(ASK_SWITCH, sandbox, case.env) is False


def _switch_in_silence(usagectl: Usagectl, sandbox: Sandbox, case: Case, *commands: str) -> None:
    """Run commands while their endpoint and their proxy listen, and hear nothing."""
    with listening() as server:
        changes = case.env | {"HTTP_PROXY": server.base, "http_proxy": server.base}
        for command in commands:
            words = (command, "localstack", "--json")
            _succeed(usagectl.run(sandbox, *words, changes=changes, endpoint=server.base))
    assert server.accepted == 0


def test_all_tools_at_once(client: Client, usagectl: Usagectl, sandbox: Sandbox) -> None:
    """Without a name, `disable` silences LocalStack too, and `enable` undoes that."""
    _succeed(usagectl.run(sandbox, "disable", "--json"))
    assert client.config_show(sandbox).connections == 0
    _succeed(usagectl.run(sandbox, "enable", "--json"))
    assert len(client.config_show(sandbox).requests) == 1


@pytest.mark.parametrize(
    "profiles",
    [
        {"default": b"DISABLE_EVENTS=0\n"},
        {"default": b"DISABLE_EVENTS=yes\n"},
        {"default": b"DISABLE_EVENTS=1\nDISABLE_EVENTS\n"},
        {"a": b"DISABLE_EVENTS=1\n", "b": b"DISABLE_EVENTS=0\n"},  # The last of a list wins.
    ],
)
def test_disable_overrules_a_profile_that_says_otherwise(
    profiles: dict[str, bytes], client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """A profile that keeps telemetry on is no obstacle: after `disable` nothing arrives."""
    changes = {"CONFIG_PROFILE": "a,b"} if "b" in profiles else {}
    for name, content in profiles.items():
        sandbox.write(f"home/.localstack/{name}.env", content)
    assert len(client.config_show(sandbox, changes).requests) == 1
    _succeed(usagectl.run(sandbox, "disable", "localstack", "--json", changes=changes))
    assert client.config_show(sandbox, changes).connections == 0


def test_a_hand_written_opt_out_can_be_overruled_and_brought_back(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """`enable localstack` wins over an opt-out that a person wrote, and `disable` over that.

    Without a name, `enable` undoes what `disable` did and no more: the person's line stays.
    """
    profile = sandbox.write("home/.localstack/default.env", b"# mine\nDISABLE_EVENTS=1\n")
    usagectl.run(sandbox, "enable", "--json")
    assert profile.read_bytes() == b"# mine\nDISABLE_EVENTS=1\n"
    assert client.config_show(sandbox).connections == 0
    _succeed(usagectl.run(sandbox, "enable", "localstack", "--json"))
    assert len(client.config_show(sandbox).requests) == 1
    _succeed(usagectl.run(sandbox, "disable", "localstack", "--json"))
    assert client.config_show(sandbox).connections == 0


def test_a_linked_profile_stays_a_link(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """A profile that is a link into a person's dotfiles is switched there, and stays a link."""
    real = sandbox.write("dotfiles/localstack.env", COMMENTED)
    link = sandbox.write("home/.localstack/default.env", Symlink("{root}/dotfiles/localstack.env"))
    _succeed(usagectl.run(sandbox, "disable", "localstack", "--json"))
    assert link.is_symlink()
    assert client.config_show(sandbox).connections == 0
    _succeed(usagectl.run(sandbox, "enable", "localstack", "--json"))
    assert link.is_symlink()
    assert real.read_bytes() == COMMENTED


def test_a_profile_that_nobody_can_read_is_not_lost(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """Where the client stops at a byte that is no UTF-8, `disable` keeps every line of the file.

    The client sends nothing then; whether `disable` repairs or refuses is left open here.
    """
    content = b"# caf\xe9\nDEBUG=0\n"
    profile = sandbox.write("home/.localstack/default.env", content)
    usagectl.run(sandbox, "disable", "localstack", "--json")
    rest = iter(profile.read_bytes().splitlines())
    assert all(line in rest for line in content.splitlines())
    assert client.config_show(sandbox).connections == 0


@pytest.mark.parametrize("value", ["0", "", "yes"])
def test_disable_fails_when_the_environment_defeats_it(
    value: str, client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """With `DISABLE_EVENTS` in the environment the client still sends: exit status 1, not 0."""
    changes = {"DISABLE_EVENTS": value}
    run = usagectl.run(sandbox, "disable", "localstack", "--json", changes=changes)
    assert len(client.config_show(sandbox, changes).requests) == 1
    assert run.status == 1, run


def _succeed(run: Run) -> None:
    assert run.status == 0, run


def _read_profiles(root: Path) -> dict[str, bytes]:
    """Read every profile file below the sandbox, whatever folder it is in."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.env")}
