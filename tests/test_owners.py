"""Tests of owners: what another user could have written, and what root leaves in a home.

Each test runs as root and as anybody else: the user's number is an argument, and as root the
files are given away first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import REPOSITORY, codes
from usagectl import consent, settings, spool
from usagectl.errors import FileUnreadableError, FileUnwritableError, SpoolUnwritableError
from usagectl.machine import file_errors, files, owners
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from tests.support.machine import Machine

OWNER = os.geteuid() or 4711
OTHER = OWNER + 1


def give(*paths: Path) -> None:
    """Give files to the user of the tests; who is not root owns them already."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, OWNER, OWNER, follow_symlinks=False)


def test_what_another_user_could_have_written(machine: Machine) -> None:
    """The owner and the mode of a file, of its folder and of a link's target count."""
    folder = machine.folder / "mine"
    folder.mkdir()
    file, link = folder / "f", folder / "link"
    file.write_text("x")
    link.symlink_to(file)
    give(folder, file, link)
    has_own_group = file.stat().st_gid == OWNER
    wrong = []
    for folder_mode, file_mode, uid, expected in (
        (0o755, 0o644, OWNER, ""),
        (0o700, 0o600, OWNER, ""),
        (0o1777, 0o644, OWNER, ""),  # /tmp: others may only add files of their own.
        # A user private group has its user's number.
        (0o700, 0o660, OWNER, "" if has_own_group else "other users may write to it"),
        (0o777, 0o644, OWNER, f"other users may write to {folder}"),
        (0o755, 0o666, OWNER, "other users may write to it"),
        (0o755, 0o644, OTHER, "it belongs to "),
        (0o755, 0o644, None, ""),
    ):
        folder.chmod(folder_mode)
        file.chmod(file_mode)
        for path in (file, link):
            found = owners.doubt_of(machine.environment(uid=uid), path)
            if (found.reason if found else "")[: len(expected) or None] != expected:
                wrong.append((folder_mode, file_mode, uid, path.name, found))
    assert wrong == []
    assert owners.doubt_of(machine.environment(uid=OTHER), folder / "missing") is None


def test_what_is_doubted_is_not_obeyed_and_named(machine: Machine) -> None:
    """Settings, a policy, the spool and a registration of another user are no word of this one."""
    own = machine.environment(uid=OWNER)
    settings.save(machine.environment(), {"mode": "on"})
    policy = machine.root / "etc/usagectl/policy.toml"
    policy.parent.mkdir(parents=True)
    policy.write_text('[telemetry]\nmode = "local"\n')
    spool.append(machine.environment(), b'{"name":"e"}', tool="mytool", kind="e")
    kept = machine.state_dir / "tools" / "mytool.json"
    kept.parent.mkdir()
    kept.write_text('{"endpoint": "http://127.0.0.1:9/v1"}')
    give(*machine.folder.rglob("*"))
    (found,) = consent.evaluate(own, ["usagectl"])
    assert (found.telemetry, codes(found)) == ("local", [])
    foreign = machine.environment(uid=OTHER)
    (found,) = consent.evaluate(foreign, ["usagectl"])
    assert (found.telemetry, codes(found)) == ("off", ["policy-unreadable", "setting-unreadable"])
    assert [each.hint.split()[:2] for each in found.cautions] == [["sudo", "chown"]] * 2
    with pytest.raises(FileUnwritableError, match="belongs to"):
        settings.save(foreign, {"mode": "off"})
    with pytest.raises(SpoolUnwritableError, match="belongs to") as caught:
        spool.append(foreign, b'{"name":"e"}', tool="mytool", kind="e")
    assert caught.value.hint.startswith("sudo chown")
    with pytest.raises(FileUnreadableError, match="belongs to"), spool.open_spool(foreign):
        pass
    state = spool.state(foreign)
    assert (state.pending, "belongs to" in state.problem) == (None, True)
    (registration,) = instrumented.read_all(foreign)
    assert (registration.endpoint, "not obeyed" in registration.problem) == ("", True)


def test_root_obeys_the_owner_of_its_home(machine: Machine) -> None:
    """With sudo, HOME may stay that of the user: his files are obeyed there, no other's."""
    give(machine.home)
    assert owners.trusted(machine.environment(uid=0)) == {0, OWNER}
    assert owners.trusted(machine.environment(uid=OTHER)) == {0, OTHER}
    assert owners.trusted(machine.environment(uid=None)) == frozenset()


def test_root_follows_no_link_of_a_user(tmp_path: Path) -> None:
    """A link on the way is named; root's own are followed, and other users follow theirs."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir()
    link.symlink_to(target)
    give(link)
    for path, uid, expected in (
        (link, 0, link),
        (link / "below" / "f", 0, link),
        (target / "f", 0, None),
        (link / "f", OWNER, None),
    ):
        assert owners.foreign_link(path, uid=uid) == expected, path
    if os.geteuid() == 0:
        for act in (files.make_folder, files.create, files.remove):
            with pytest.raises((OSError, FileUnwritableError), match="does not follow"):
                act(link / "new")
        with pytest.raises(FileUnwritableError, match="does not follow"):
            files.replace_bytes(link / "f", b"x")
        assert list(target.iterdir()) == []


def test_what_root_makes_in_a_home_is_the_users(tmp_path: Path) -> None:
    """Folders and files get the owner of the folder that they are made in."""
    home = tmp_path / "home"
    home.mkdir()
    give(home)
    files.replace_bytes(home / "a" / "b" / "f", b"x")
    os.close(files.create(home / "a" / "g"))
    made = [*home.rglob("*")]
    assert len(made) == 4
    assert {each.lstat().st_uid for each in made} == {OWNER}


UNDER_UMASK = """
import os, sys
from pathlib import Path
from usagectl.machine import file_errors, files
os.umask(int(sys.argv[2], 8))
files.replace_bytes(Path(sys.argv[1]) / "a/b/c/f", b"x")
with files.lock(Path(sys.argv[1]) / "d/e"):
    os.close(files.create(Path(sys.argv[1]) / "d/g"))
"""


def test_the_umask_opens_nothing(tmp_path: Path) -> None:
    """Every folder is its owner's alone, and so is every file, whatever the umask."""
    for umask in ("000", "022", "777"):
        folder = tmp_path / umask
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", UNDER_UMASK, str(folder), umask],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            check=True,
        )
        made = sorted(folder.rglob("*"))
        modes = {str(each.relative_to(folder)): each.stat().st_mode & 0o7777 for each in made}
        assert modes == {
            **dict.fromkeys(("a", "a/b", "a/b/c", "d", "d/e"), 0o700),
            **dict.fromkeys(("a/b/c/f", "d/g"), 0o600),
        }


def test_what_sudo_left_is_named_with_its_owner(tmp_path: Path) -> None:
    """The uppermost path of another in a folder of this user: `chown` mends it; /etc is no such."""
    home = tmp_path / "home"
    deep = home / "config" / "usagectl" / "settings.toml"
    deep.parent.mkdir(parents=True)
    deep.touch()
    if os.geteuid() == 0:
        give(home)
        expected: tuple[Path, int] | None = (home / "config", 0)
        assert owners.taken_from(deep, uid=OWNER) == expected
        assert owners.taken_from(deep / "missing", uid=OWNER) == expected
        reason, hint = file_errors.explain(
            deep, PermissionError(13, "Permission denied"), uid=OWNER
        )
        assert reason == f"permission denied; {home / 'config'} belongs to root"
        assert hint == f"sudo chown -R {owners.name_of(OWNER)} {home / 'config'}"
    assert owners.taken_from(deep, uid=OTHER) is None
    assert owners.taken_from(Path("/etc/passwd"), uid=OTHER) is None
    full = OSError(28, "No space left on device")
    assert file_errors.explain(deep, full)[1] == f"df -h {deep.parent}"
