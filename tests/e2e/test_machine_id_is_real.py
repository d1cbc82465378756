"""That the real client uses the machine ID which `reset-machine-id` wrote.

The ID of a client inside a container is not tried: its file is at one fixed place,
/var/lib/localstack/cache, which a test must leave alone.
"""

import json
import re
from pathlib import Path

import pytest

from .support import Changes, Client, Folder, Sandbox, Usagectl

pytestmark = pytest.mark.e2e

RANDOM_ID = re.compile(r"gen_[0-9a-f]{8}-[0-9a-f]{3}")
SYSTEM_ID_FILE = Path("/etc/machine-id")
ASK_MACHINE_ID = """
import json
from localstack.utils.analytics.metadata import get_machine_id
print(json.dumps(get_machine_id()))
"""


def test_a_derived_id_is_replaced(client: Client, usagectl: Usagectl, sandbox: Sandbox) -> None:
    """The ID that the client drew by itself is gone for good after a reset.

    Where the machine has an /etc/machine-id the client derives its ID from that, and
    comes back to it whenever the file is deleted: the case that reset is made for.
    """
    drawn = client.evaluate(ASK_MACHINE_ID, sandbox, {})
    if SYSTEM_ID_FILE.exists() and SYSTEM_ID_FILE.read_text().strip():
        assert str(drawn).startswith("sys_")
        sandbox.machine_file.unlink()
        assert client.evaluate(ASK_MACHINE_ID, sandbox, {}) == drawn
    _reset(usagectl, sandbox)
    _assert_client_uses_a_new_id(client, sandbox, old=drawn)


def test_a_machine_without_an_id_gets_a_random_one(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """Reset before the client's first run: it never derives an ID. A second reset draws anew."""
    assert not sandbox.machine_file.exists()
    _reset(usagectl, sandbox)
    first = _assert_client_uses_a_new_id(client, sandbox, old=None)
    _reset(usagectl, sandbox)
    _assert_client_uses_a_new_id(client, sandbox, old=first)


STORED = (
    b'{"machine_id": "gen_01234567-89a"}',
    b'{"machine_id": "custom"}',
    b'{"machine_id": null}',
    b'{"machine_id": 5}',
    b'{"machine_id": ""}',
    b"{}",
    b"[]",  # the client takes a list of pairs for an object
    b'[["machine_id", "paired"], ["other", 1]]',
    b'{"other": {"deep": [1, 2.50, "\\u00e9"]}, "machine_id": "dkr_0123456789ab"}',
)
CORRUPT = (
    *(b"", b"{", b"[1]", b'"text"', b"null", b"\xff\xfe", b"\x00"),
    b'{"machine_id": "a"}trailing',
)


def test_a_stored_id_is_replaced_and_other_keys_are_kept(
    client: Client, usagectl: Usagectl, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Only the ID changes: other members of the file keep their values and their order."""
    for number, stored in enumerate(STORED):
        with subtests.test(msg=str(stored)):
            sandbox = Sandbox(tmp_path / str(number))
            sandbox.write("cache/localstack-cli/machine.json", stored)
            before = dict(json.loads(stored))
            _reset(usagectl, sandbox)
            _assert_client_uses_a_new_id(client, sandbox, old=before.get("machine_id"))
            after = json.loads(sandbox.machine_file.read_bytes())
            assert list(after) == list({**before, "machine_id": 0})
            assert {**after, "machine_id": 0} == {**before, "machine_id": 0}


def test_a_corrupt_file_is_set_aside_not_deleted(
    client: Client, usagectl: Usagectl, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """What stood in the file is kept beside it, and the client uses the new ID."""
    for number, corrupt in enumerate(CORRUPT):
        with subtests.test(msg=str(corrupt)):
            sandbox = Sandbox(tmp_path / str(number))
            sandbox.write("cache/localstack-cli/machine.json", corrupt)
            _reset(usagectl, sandbox)
            beside = [
                path.read_bytes()
                for path in sandbox.machine_file.parent.iterdir()
                if path.is_file() and path != sandbox.machine_file
            ]
            assert corrupt in beside
            _assert_client_uses_a_new_id(client, sandbox, old=None)


def test_a_folder_in_the_place_of_the_file_is_set_aside(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """The client would delete such a folder with its content; reset keeps it."""
    sandbox.write("cache/localstack-cli/machine.json", Folder())
    sandbox.write("cache/localstack-cli/machine.json/kept.txt", b"kept")
    _reset(usagectl, sandbox)
    (kept,) = sandbox.machine_file.parent.rglob("kept.txt")
    assert kept.read_bytes() == b"kept"
    _assert_client_uses_a_new_id(client, sandbox, old=None)


CACHES: tuple[tuple[str | None, bytes, str], ...] = (
    ("", b"", "home/.cache"),
    ("relative/cache", b"", "home/.cache"),
    (None, b"XDG_CACHE_HOME={root}/moved\n", "moved"),
)
"""`XDG_CACHE_HOME`, a profile, and the folder that the client takes for its cache then."""


def test_the_cache_is_where_the_client_looks_for_it(
    client: Client, usagectl: Usagectl, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """An empty or relative variable does not count; a profile, which it reads before, does."""
    for number, (value, profile, folder) in enumerate(CACHES):
        with subtests.test(msg=str(value)):
            sandbox = Sandbox(tmp_path / str(number))
            sandbox.write("home/.localstack/default.env", profile)
            changes = {"XDG_CACHE_HOME": value}
            drawn = client.evaluate(ASK_MACHINE_ID, sandbox, changes)
            assert (sandbox.root / folder / "localstack-cli" / "machine.json").exists()
            _reset(usagectl, sandbox, changes)
            used = client.evaluate(ASK_MACHINE_ID, sandbox, changes)
            assert used != drawn
            assert RANDOM_ID.fullmatch(str(used))


def test_a_dry_run_leaves_the_client_its_id(
    client: Client, usagectl: Usagectl, sandbox: Sandbox
) -> None:
    """With `--dry-run` the file is not touched and the client keeps its ID."""
    drawn = client.evaluate(ASK_MACHINE_ID, sandbox, {})
    before = sandbox.machine_file.read_bytes()
    run = usagectl.run(sandbox, "reset-machine-id", "--yes", "--dry-run", "--json")
    assert run.status == 0, run
    assert sandbox.machine_file.read_bytes() == before
    assert client.evaluate(ASK_MACHINE_ID, sandbox, {}) == drawn


def _reset(usagectl: Usagectl, sandbox: Sandbox, changes: Changes | None = None) -> None:
    run = usagectl.run(sandbox, "reset-machine-id", "--yes", "--json", changes=changes)
    assert run.status == 0, run


def _assert_client_uses_a_new_id(client: Client, sandbox: Sandbox, *, old: object) -> object:
    """Check that the client answers with a new ID of its own form, the one in the file."""
    used = client.evaluate(ASK_MACHINE_ID, sandbox, {})
    assert json.loads(sandbox.machine_file.read_bytes())["machine_id"] == used
    assert RANDOM_ID.fullmatch(str(used))
    assert used != old
    return used
