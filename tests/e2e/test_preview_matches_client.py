"""What `preview` shows for LocalStack, against what the real client computes and posts."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.endpoint import Received

from .support import (
    DEAD_ENDPOINT,
    Client,
    Entry,
    Folder,
    Run,
    Sandbox,
    Symlink,
    Usagectl,
    listening,
    read_data,
    run_process,
)

pytestmark = pytest.mark.e2e

MACHINE_FILE = "cache/localstack-cli/machine.json"
HOME_FILE = "home/.cache/localstack-cli/machine.json"
PROFILE = "home/.localstack/default.env"
TOKEN = "ls-example-0000"  # noqa: S105 - no token of anybody
SESSION_POINTERS = {"/metadata/session_id", "/metadata/client_time", "/payload/session_id"}
MACHINE_POINTER = "/payload/machine_id"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

# In a container the client keeps its machine ID at a fixed place of this machine, which a
# test must leave alone: the client is given a copy of that folder, and the ID is not compared.
ASK_SESSION = """
import dataclasses, json, os, shutil
from localstack import config
from localstack.utils.analytics import metadata
from localstack.utils.analytics.client import AnalyticsClient
if config.is_in_docker:
    own = os.path.join(os.environ["TMPDIR"], "cache")
    if os.path.isdir(config.dirs.cache):  # What lies there is read by both sides.
        shutil.copytree(config.dirs.cache, own, dirs_exist_ok=True)
    config.dirs.cache = own
print(json.dumps({
    "url": AnalyticsClient().endpoint_session,
    "in_container": config.is_in_docker,
    "payload": dataclasses.asdict(metadata.read_client_metadata()),
}))
"""
POST_SESSION = """
import json
from localstack.utils.analytics.client import AnalyticsClient
from localstack.utils.analytics.metadata import get_client_metadata
response = AnalyticsClient().start_session(get_client_metadata())
print(json.dumps(response.track_events()))
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A machine as the client finds it."""

    name: str
    env: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, Entry] = field(default_factory=dict)


IN_CONTAINER = {"LOCALSTACK_TELEMETRY_EDITION": "pro"}  # without it the client fails in a container
SCENES = [
    Scene("plain"),
    Scene("ci", {"CI": "1"}),
    Scene("ci-empty", {"CI": ""}),
    Scene("ci-false", {"CI": "false"}),
    Scene("ci-in-profile", {}, {PROFILE: b"CI=\n"}),
    Scene("ci-bare-in-profile", {}, {PROFILE: b"CI\n"}),
    Scene("other-ci", {"GITHUB_ACTIONS": "true", "GITLAB_CI": "true"}),
    Scene("token", {"LOCALSTACK_AUTH_TOKEN": TOKEN}),
    Scene("token-quoted", {"LOCALSTACK_AUTH_TOKEN": f" \"'{TOKEN}'\" "}),
    Scene("token-tab", {"LOCALSTACK_AUTH_TOKEN": f"\t{TOKEN}\n"}),
    Scene("token-odd", {"LOCALSTACK_AUTH_TOKEN": 'l"s\\\u00e9\U0001f600\x7f/\udcff<>'}),
    Scene("token-in-profile", {}, {PROFILE: f"LOCALSTACK_AUTH_TOKEN='\"{TOKEN}\"'\n".encode()}),
    Scene("key", {"LOCALSTACK_API_KEY": TOKEN}),
    Scene("key-quoted", {"LOCALSTACK_API_KEY": f"'{TOKEN}'"}),
    Scene("both", {"LOCALSTACK_AUTH_TOKEN": TOKEN, "LOCALSTACK_API_KEY": "other"}),
    Scene("empty-token-and-key", {"LOCALSTACK_AUTH_TOKEN": "' '", "LOCALSTACK_API_KEY": TOKEN}),
    Scene("container-1", {"OVERRIDE_IN_DOCKER": "1", **IN_CONTAINER}),
    Scene("container-true", {"OVERRIDE_IN_DOCKER": " TRUE ", **IN_CONTAINER}),
    Scene("container-false", {"OVERRIDE_IN_DOCKER": "False"}),
    Scene("container-odd", {"OVERRIDE_IN_DOCKER": "maybe", **IN_CONTAINER}),
    Scene("container-empty", {"OVERRIDE_IN_DOCKER": "", **IN_CONTAINER}),
    Scene("container-absent", {"OVERRIDE_IN_DOCKER": None, **IN_CONTAINER}),
    Scene("container-in-profile", {}, {PROFILE: b"OVERRIDE_IN_DOCKER=1\n"}),
    Scene("edition", {"LOCALSTACK_TELEMETRY_EDITION": "enterprise"}),
    Scene("edition-empty", {"LOCALSTACK_TELEMETRY_EDITION": ""}),
    Scene("edition-in-profile", {}, {PROFILE: b"LOCALSTACK_TELEMETRY_EDITION=' x '\n"}),
    Scene("product", {"LOCALSTACK_TELEMETRY_PRODUCT": "snowflake"}),
    Scene("product-empty", {"LOCALSTACK_TELEMETRY_PRODUCT": ""}),
    Scene("git-hash", {"LOCALSTACK_BUILD_GIT_HASH": "0a1b2c3d"}),
    Scene("git-hash-blank", {"LOCALSTACK_BUILD_GIT_HASH": " 0a1b2c3d "}),
    Scene("git-hash-in-profile", {}, {PROFILE: b"LOCALSTACK_BUILD_GIT_HASH=0a1b2c3d\n"}),
    Scene("test-run", {"LOCALSTACK_INTERNAL_TEST_RUN": "1"}),
    Scene("test-run-yes", {"LOCALSTACK_INTERNAL_TEST_RUN": "yes"}),
    Scene("version-file", {}, {"work/.acme-version": b""}),
    Scene("version-folder", {}, {"work/.acme-version": Folder()}),
    Scene("version-file-nameless", {}, {"work/.-version": b""}),
    Scene("version-file-twice", {}, {"work/.a-version-version": b""}),
    Scene(
        "version-files", {}, {f"work/.{name}-version": b"" for name in ("b", "a", "c", "python")}
    ),
    Scene("version-file-odd", {}, {"work/.\udcff \u00e9-version": b""}),
    Scene("version-file-in-profile-folder", {}, {"home/.localstack/.acme-version": b""}),
    Scene("edition-blank", {"LOCALSTACK_TELEMETRY_EDITION": " "}, {"work/.acme-version": b""}),
    Scene("version-file-not-hidden", {}, {"work/acme-version": b"", "work/.acme-versions": b""}),
    Scene(
        "version-file-and-edition",
        {"LOCALSTACK_TELEMETRY_EDITION": "pro"},
        {"work/.acme-version": b""},
    ),
    Scene("id-random", {}, {MACHINE_FILE: b'{"machine_id": "gen_01234567-89a"}'}),
    Scene("id-custom", {}, {MACHINE_FILE: b'{"other": 1, "machine_id": "custom \\u00e9 \\""}'}),
    Scene("id-empty", {}, {MACHINE_FILE: b'{"machine_id": ""}'}),
    Scene("id-null", {}, {MACHINE_FILE: b'{"machine_id": null}'}),
    Scene("id-number", {}, {MACHINE_FILE: b'{"machine_id": 5}'}),
    Scene("id-object", {}, {MACHINE_FILE: b'{"machine_id": {"b": 1.50, "a": [true]}}'}),
    Scene("id-pairs", {}, {MACHINE_FILE: b'[["machine_id", "paired"]]'}),
    Scene("id-twice", {}, {MACHINE_FILE: b'{"machine_id": "a", "machine_id": "b"}'}),
    Scene("id-missing", {}, {MACHINE_FILE: b'{"other": 1}'}),
    Scene("id-surrogate", {}, {MACHINE_FILE: b'{"machine_id": "\\ud800"}'}),
    Scene("id-utf8", {}, {MACHINE_FILE: '{"machine_id": "\u00e9\U0001f600"}'.encode()}),
    Scene("id-big-number", {}, {MACHINE_FILE: b'{"machine_id": 123456789012345678901234567890}'}),
    Scene("id-byte-order-mark", {}, {MACHINE_FILE: b'\xef\xbb\xbf{"machine_id": "a"}'}),
    Scene("id-invalid-utf8", {}, {MACHINE_FILE: b'{"machine_id": "\xff"}'}),
    Scene("id-empty-list", {}, {MACHINE_FILE: b"[]"}),
    Scene("id-empty-file", {}, {MACHINE_FILE: b""}),
    Scene("id-folder", {}, {MACHINE_FILE: Folder()}),
    Scene(
        "id-link", {}, {"id.json": b'{"machine_id": "l"}', MACHINE_FILE: Symlink("{root}/id.json")}
    ),
    Scene("id-link-dangling", {}, {MACHINE_FILE: Symlink("{root}/gone.json")}),
    Scene("id-link-loop", {}, {MACHINE_FILE: Symlink("machine.json")}),
    Scene("cache-empty", {"XDG_CACHE_HOME": ""}, {HOME_FILE: b'{"machine_id": "e"}'}),
    Scene(
        "cache-relative",
        {"XDG_CACHE_HOME": "own"},
        {
            HOME_FILE: b'{"machine_id": "home"}',
            "work/own/localstack-cli/machine.json": b'{"machine_id": "relative"}',
        },
    ),
    Scene(
        "cache-in-profile",
        {"XDG_CACHE_HOME": None},
        {
            PROFILE: b"XDG_CACHE_HOME={root}/moved\n",
            "moved/localstack-cli/machine.json": b'{"machine_id": "moved"}',
            HOME_FILE: b'{"machine_id": "home"}',
        },
    ),
    Scene("id-corrupt", {}, {MACHINE_FILE: b"{"}),
    Scene("id-elsewhere", {"XDG_CACHE_HOME": None}, {HOME_FILE: b'{"machine_id": "elsewhere"}'}),
    Scene("off", {"DISABLE_EVENTS": "1"}),
    Scene("off-in-profile", {}, {PROFILE: b"DISABLE_EVENTS=1\nCI=1\n"}),
    Scene("endpoint-slashes", {"ANALYTICS_API": f"{DEAD_ENDPOINT}/v1//"}),
]


SCENES_A_TEST = 9
CHUNKS = [SCENES[start : start + SCENES_A_TEST] for start in range(0, len(SCENES), SCENES_A_TEST)]


@pytest.mark.parametrize("scenes", CHUNKS, ids=lambda scenes: scenes[0].name)
def test_preview_shows_what_the_client_computes(
    scenes: list[Scene],
    client: Client,
    usagectl: Usagectl,
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    """One preview and one real client a scene: the same payload, no connection, no file touched."""
    for scene in scenes:
        with subtests.test(msg=scene.name):
            sandbox = Sandbox(tmp_path / scene.name)
            for path, entry in scene.files.items():
                sandbox.write(path, entry)
            before = _read_machine_files(sandbox)
            # First: the client would store an ID. Every proxy that nobody chose listens.
            with listening() as server:
                proxies = {"HTTP_PROXY": server.base, "http_proxy": server.base}
                shown = _preview(usagectl, sandbox, {**proxies, **scene.env})
            assert server.accepted == 0
            assert _read_machine_files(sandbox) == before
            answer = client.evaluate(ASK_SESSION, sandbox, scene.env)
            _check_payload(scene, shown, answer)


def _check_payload(scene: Scene, shown: dict[str, Any], answer: dict[str, Any]) -> None:
    """Compare field for field, the order and the URL included.

    Only what is drawn at send time may differ, and is listed as varying: the session ID,
    the time, and a machine ID that no file holds and that is not derived.
    """
    computed = answer["payload"]
    varying = set(shown["varying"])
    is_fresh = bool(answer["in_container"]) or _is_fresh(scene, computed["machine_id"])
    assert varying - SESSION_POINTERS <= ({MACHINE_POINTER} if is_fresh else set())
    body = json.loads(shown["body"])
    payload = body["payload"]
    assert list(payload) == list(computed)
    free = {pointer.removeprefix("/payload/") for pointer in varying}
    free |= {"machine_id"} if answer["in_container"] else set()
    assert _without(payload, free) == _without(computed, free)
    assert shown["url"] == answer["url"]


DOCKER_ANSWERS = (
    b'{"ID": "4b8b1d3c-0000", "OSType": "Linux"}',
    b'{"ID": "WINDOWS:HOST", "OSType": "Windows", "OperatingSystem": "x"}',
    b'{"ID": "", "OSType": ""}',
    b'{"OSType": "linux"}',
    b"no JSON",
)


@pytest.mark.parametrize("override", ["0", "1"])
def test_live_preview_takes_from_docker_what_the_client_takes(
    override: str, client: Client, usagectl: Usagectl, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """With `--live` and a Docker that answers, machine ID and system are the client's own.

    Docker is played by a script: only its answer to `docker info` matters to either side.
    """
    for number, answer in enumerate(DOCKER_ANSWERS):
        with subtests.test(msg=str(answer)):
            sandbox = Sandbox(tmp_path / str(number))
            sandbox.write("bin/docker", b"#!/bin/sh\necho '" + answer + b"'\n").chmod(0o755)
            env = {
                "PATH": f"{sandbox.root}/bin:{client.bin_dir}:/bin",
                "OVERRIDE_IN_DOCKER": override,
                "GATEWAY_LISTEN": "127.0.0.1:1",  # no running LocalStack is asked
                **IN_CONTAINER,
            }
            arguments = ("preview", "localstack", "--json", "--reveal", "--if-enabled", "--live")
            shown = _read_request(usagectl.run(sandbox, *arguments, changes=env))
            payload = json.loads(shown["body"])["payload"]
            computed = client.evaluate(ASK_SESSION, sandbox, env)["payload"]
            free = {"session_id"}
            if MACHINE_POINTER in shown["varying"]:  # None is stored on this machine.
                assert str(computed["machine_id"]).startswith("gen_")
                free.add("machine_id")
            assert _without(payload, free) == _without(computed, free)


POSTED: list[dict[str, str | None]] = [
    {},
    {"CI": ""},
    {"LOCALSTACK_AUTH_TOKEN": f'"{TOKEN}"'},
    {"LOCALSTACK_AUTH_TOKEN": 'l"s\\\u00e9\U0001f600\x7f/\udcff<>'},
    {"LOCALSTACK_BUILD_GIT_HASH": "0a1b2c3d", "LOCALSTACK_TELEMETRY_PRODUCT": "\u00e9"},
]


def test_the_request_is_what_the_client_posts(
    client: Client, usagectl: Usagectl, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Method, path, headers and body bytes equal the real post, varying members put in."""
    for number, env in enumerate(POSTED):
        with subtests.test(msg=ascii(env)):
            sandbox = Sandbox(tmp_path / str(number))
            sandbox.write(MACHINE_FILE, b'{"machine_id": "gen_01234567-89a"}')
            with listening() as server:
                shown = _preview(usagectl, sandbox, env, endpoint=server.base)
                assert client.evaluate(POST_SESSION, sandbox, env, endpoint=server.base) is True
            (posted,) = server.received
            text = _put_in(shown["body"], shown["varying"], posted)
            assert text.encode() == posted.body
            url = urlsplit(shown["url"])
            assert (shown["method"], url.path) == (posted.method, posted.path)
            headers = shown["headers"]
            assert headers["Localstack-Session-ID"] == _read_session_id(shown["body"].encode())
            own = {"Localstack-Session-ID": _read_session_id(posted.body)}
            assert headers | own == dict(posted.headers)


def _preview(
    usagectl: Usagectl,
    sandbox: Sandbox,
    env: Mapping[str, str | None],
    *,
    endpoint: str = DEAD_ENDPOINT,
) -> dict[str, Any]:
    """Answer the session request that usagectl shows, whatever the switches say."""
    arguments = ("preview", "localstack", "--json", "--reveal", "--if-enabled")
    return _read_request(usagectl.run(sandbox, *arguments, changes=env, endpoint=endpoint))


def _read_request(run: Run) -> dict[str, Any]:
    assert run.status == 0, run
    request: dict[str, Any] = read_data(run)["requests"][0]
    assert request["tool"] == "localstack"
    return request


def _read_session_id(body: bytes) -> str:
    session_id = str(json.loads(body)["metadata"]["session_id"])
    assert UUID.fullmatch(session_id)
    return session_id


def _is_fresh(scene: Scene, machine_id: object) -> bool:
    """True if the client drew its machine ID at random just now."""
    name = str(machine_id)
    files = [
        entry.decode(errors="replace") for entry in scene.files.values() if isinstance(entry, bytes)
    ]
    return name.startswith("gen_") and not any(name in content for content in files)


def _without(members: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


def _put_in(text: str, varying: list[str], posted: Received) -> str:
    """Give each varying member the value that it had on the wire."""
    shown, real = json.loads(text), json.loads(posted.body)
    for pointer in varying:
        assert pointer in SESSION_POINTERS, pointer
        outer, name = pointer.removeprefix("/").split("/")
        old, new = shown[outer][name], real[outer][name]
        member = json.dumps(name) + ": "
        text = text.replace(member + json.dumps(old), member + json.dumps(new))
    return text


def _read_machine_files(sandbox: Sandbox) -> dict[str, bytes]:
    """Read every file that a client might keep an ID in."""
    roots = (sandbox.root / "cache", sandbox.root / "home" / ".cache")
    files = (path for root in roots for path in root.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


FAKE_DOCKER = """#!/bin/sh
case "$1" in
inspect) echo '[{"Id": "x", "State": {"Status": "exited"}, "Name": "/x", "Config": {}}]' ;;
info) echo '{}' ;;
create) echo x ;;
esac
"""


def test_preview_in_a_container_is_what_start_posts(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """`localstack start` declares itself on a host; with a Docker that does nothing it goes on."""
    docker = sandbox.write("bin/docker", FAKE_DOCKER.encode())
    docker.chmod(0o755)
    changes = {
        "OVERRIDE_IN_DOCKER": "1",
        "SERVICES": "s3",  # a name without the prefix is what it has to tell, after its session
        "PATH": f"{client.bin_dir}:{docker.parent}:{os.defpath}",
        "DOCKER_HOST": None,
    }
    words = [str(client.bin_dir / "localstack"), "start", "-d"]
    with listening() as server:
        env = sandbox.environment(client, endpoint=server.base, changes=changes)
        run_process(words, env=env, cwd=sandbox.work_dir)
    (sent,) = [each.body for each in server.received if each.path.endswith("/session")]
    run = usagectl.run(sandbox, "preview", "localstack", "--raw", "--live", changes=changes)
    shown, real = json.loads(run.stdout), json.loads(sent)
    for event in (shown, real):
        del event["metadata"], event["payload"]["session_id"]
    assert shown == real
