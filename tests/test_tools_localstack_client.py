"""Tests of what a version of LocalStack's client makes of its surroundings, and which it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.machine import Machine
from usagectl.tools.localstack_client import (
    LocalStackClient,
    Rules,
    container_runtime,
    is_true,
    parse_boolean,
    parse_version,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machines
    from usagectl.machine.environment import Environment

VERSIONS = ("1.4.0", "2.3.2", "4.12.0", "2026.3.0", "2026.8.2")
SINCE_2 = VERSIONS[1:]
BY_CGROUP = ("1.4.0", "2.3.2", "4.12.0", "2026.8.2")
ENGINE = ("/.dockerenv", "/run/.containerenv")
IMAGE = (
    "/usr/lib/localstack/.community-version",
    "/usr/lib/localstack/.pro-version",
    "/tmp/localstack/.marker",  # noqa: S108
)
CGROUP = "/proc/1/cgroup"
MOUNTS = "/proc/mounts"
CONTAINERD = "overlay / overlay rw,upperdir=/var/lib/io.containerd.snapshotter/1 0 0\n"


def mark(machine: Machine, *paths: str, text: str = "") -> None:
    """Put files below the machine's root."""
    for path in paths:
        file = machine.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def seen_by(machine: Machine, **variables: str) -> tuple[str, ...]:
    """List the versions that take the machine for a container."""
    machine.variables = variables
    return containers(machine.environment())


def containers(environment: Environment) -> tuple[str, ...]:
    """List the versions that take the environment for a container."""
    clients = (LocalStackClient(environment, version=version) for version in VERSIONS)
    return tuple(client.rules.version for client in clients if client.is_in_container)


def test_marker_files(tmp_path: Path) -> None:
    """Docker's and Podman's marker files count for every version, the image's own since 2.x."""
    assert seen_by(Machine(tmp_path / "bare")) == ()
    for number, path in enumerate((*ENGINE, *IMAGE)):
        machine = Machine(tmp_path / str(number))
        mark(machine, path)
        assert seen_by(machine) == (VERSIONS if path in ENGINE else SINCE_2), path
    machine = Machine(tmp_path / "folder")
    (machine.root / IMAGE[0].lstrip("/")).mkdir(parents=True)
    assert seen_by(machine) == (), "an image marker must be a file"


def test_cgroup_text(machine: Machine) -> None:
    """`docker`, `buildkit` or the host's name in the first process' cgroup count, not in 2026.3."""
    for text in ("0::/docker/abc\n", "1:x:/buildkit/1\n", "0::/pods/testhost\n"):
        mark(machine, CGROUP, text=text)
        assert seen_by(machine) == BY_CGROUP, text
    mark(machine, CGROUP, text="0::/init.scope\n")
    assert containers(machine.environment(host_name="")) == ()


def test_a_docker_host_is_no_container(machines: Machines) -> None:
    """A machine that runs containers itself shows docker in its cgroups, and is a host.

    The client's look raises at the first missing folder, and it then trusts the cgroup.
    """
    for path in ("/sys/fs/cgroup/docker/x", "/sys/fs/cgroup/system.slice/docker-1.scope/x"):
        machine = machines()
        mark(machine, CGROUP, text="0::/docker\n")
        mark(machine, path)
        assert seen_by(machine) == BY_CGROUP
        for folder in ("memory/system.slice", "system.slice"):
            (machine.root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        assert seen_by(machine) == (), path
        mark(machine, MOUNTS, text=CONTAINERD)
        assert seen_by(machine) == ("2026.3.0",)


def test_containerd_mounts(machine: Machine) -> None:
    """A root mounted by containerd counts since 2.x, before 2026.3 only beside a cgroup file."""
    mark(machine, MOUNTS, text=f"# comment\nproc /proc proc rw 0 0\nshort /\n{CONTAINERD}")
    assert seen_by(machine) == ("2026.3.0",)
    mark(machine, CGROUP, text="0::/\n")
    assert seen_by(machine) == SINCE_2
    mark(machine, MOUNTS, text=CONTAINERD.replace(" / ", " /mnt ", 1))
    assert seen_by(machine) == ()


def test_the_override(tmp_path: Path) -> None:
    """OVERRIDE_IN_DOCKER: a Yes for every version, a No since 2.x; other values say nothing."""
    bare, marked = Machine(tmp_path / "bare"), Machine(tmp_path / "marked")
    mark(marked, *ENGINE, *IMAGE)
    for value in ("1", "TRUE", " true "):
        assert seen_by(bare, OVERRIDE_IN_DOCKER=value) == VERSIONS, value
    for value in ("0", "false", "FALSE", " 0 "):
        assert seen_by(marked, OVERRIDE_IN_DOCKER=value) == ("1.4.0",), value
    for value in ("", "yes", "no", "2", "off"):
        assert seen_by(bare, OVERRIDE_IN_DOCKER=value) == (), value
        assert seen_by(marked, OVERRIDE_IN_DOCKER=value) == VERSIONS, value
    bare.variables = {}
    bare.default_profile.parent.mkdir()
    bare.default_profile.write_text("OVERRIDE_IN_DOCKER=1\n")
    assert not LocalStackClient(bare.environment()).is_in_container, "profiles are read later"


def test_the_runtimes_of_2026_3(machine: Machine) -> None:
    """2026.3 names the runtime: Kubernetes, Podman, Docker, containerd, generic, in that order."""
    steps = [
        ("none", ""),
        ("generic", IMAGE[0]),
        ("containerd", MOUNTS),
        ("docker", ENGINE[0]),
        ("podman", ENGINE[1]),
        ("kubernetes", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
    ]
    for expected, path in steps:
        if path:
            mark(machine, path, text=CONTAINERD)
        assert container_runtime(machine.environment()) == expected
    other = machine.environment(root=machine.folder, variables={"KUBERNETES_SERVICE_HOST": "x"})
    assert container_runtime(other) == "kubernetes"


def test_version_parsing() -> None:
    """The leading numbers are the version; a text that begins otherwise has no version."""
    cases = {
        "4.12.0": (4, 12, 0),
        "1.0.5.dev": (1, 0, 5),
        " 2026.8.2 ": (2026, 8, 2),
        "4.12.0+git": (4, 12, 0),
        "5": (5,),
        "v4": (),
        "": (),
        "latest": (),
    }
    assert {text: parse_version(text) for text in cases} == cases


RULES: dict[str | None, tuple[bool, ...]] = {
    "1.0.4": (True, False, False, False, False),
    "1.4.0": (True, False, False, False, False),
    "2.0.0": (False, False, False, False, False),
    "3.0.2": (False, False, False, False, False),
    "3.8.1": (False, True, False, False, False),
    "4.1.0": (False, True, False, False, False),
    "4.2.0": (False, True, True, False, False),
    "4.13.1": (False, True, True, False, False),
    "4.14.0": (False, True, True, True, False),
    "2026.3.0": (False, True, True, True, True),
    **dict.fromkeys(("2026.8.2", None, "", "unknown"), (False, True, True, False, False)),
}
RULE_NAMES = (
    *("is_first_edition", "reads_profile_list", "has_product", "has_summary"),
    "has_container_runtime",
)


def test_rules_of_a_version() -> None:
    """Each version has the rules that were read in its published wheel; an unknown the newest."""
    all_rules = {version: Rules(version) for version in RULES}
    found = {
        version: tuple(getattr(rules, name) for name in RULE_NAMES)
        for version, rules in all_rules.items()
    }
    assert found == RULES
    assert Rules("1.0.4").version == "1.0.4"


def test_truth() -> None:
    """LocalStack's two tests: Yes or not, and Yes, No or neither."""
    cases: dict[str | None, tuple[bool, bool | None]] = {
        "1": (True, True),
        "tRuE": (True, True),
        "0": (False, False),
        " False ": (False, False),
        "": (False, None),
        "yes": (False, None),
        "2": (False, None),
        None: (False, None),
    }
    assert {value: (is_true(value), parse_boolean(value)) for value in cases} == cases


def lay_packages(folder: Path, *distributions: str) -> None:
    """Put packages' metadata into a folder."""
    for distribution in distributions:
        (folder / f"{distribution}.dist-info").mkdir(parents=True)


def version_of(machine: Machine, first_line: str) -> str | None:
    """Put the command on PATH with this first line; return the version that is found."""
    machine.install_program("localstack", f"{first_line}\n")
    found = LocalStackClient(machine.environment()).installation
    assert found.installed
    return found.version


def test_the_venv_of_a_link_beats_a_stale_user_site(machine: Machine) -> None:
    """A link on PATH (pipx) leads to the packages that the script's interpreter imports.

    Without a command on PATH nothing is installed, packages or not.
    """
    lay_packages(machine.folder / "lib/python3.11/site-packages", "localstack_core-1.0.0")
    lay_packages(machine.home / ".local/lib/python3.11/site-packages", "localstack_core-2.0.0")
    assert not LocalStackClient(machine.environment()).installation.installed
    assert not LocalStackClient(machine.environment(variables={})).installation.installed
    machine.install_localstack("4.12.0")
    assert LocalStackClient(machine.environment()).installation.version == "4.12.0"


def test_a_version_by_the_first_line(machine: Machine) -> None:
    """A script elsewhere names its interpreter; `env` says nothing of where the packages lie."""
    other = machine.folder / "other"
    lay_packages(other / "lib/python3.12/site-packages", "localstack-2026.8.2")
    assert version_of(machine, f"#!{other}/bin/python3.12 -s") == "2026.8.2"
    for first_line in (f"#!{other}/bin/env python3", "", "\x7fELF", "#!", "#! "):
        assert version_of(machine, first_line) is None, first_line
    (machine.bin / "localstack").unlink()
    os.mkfifo(machine.bin / "localstack", 0o755)  # It does not hang.
    found = LocalStackClient(machine.environment()).installation
    assert (found.installed, found.version) == (True, None)


def test_a_version_in_the_user_site(machine: Machine) -> None:
    """`pip install --user` leaves packages below the home; the core's version counts there."""
    site = machine.home / ".local/lib/python3.11/site-packages"
    lay_packages(site, "localstack-4.0.0", "localstack_core-4.12.0", "localstack_ext-4.1.0")
    found = version_of(machine, "#!/nowhere/bin/python3")
    assert found == "4.12.0", "the other package may be an empty shell"
