"""Tests of what a version of LocalStack's client makes of its surroundings, and which it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from usagectl.tools import detection
from usagectl.tools.localstack_client import LocalStackClient, find
from usagectl.tools.localstack_rules import is_true, parse_boolean, parse_version, rules_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

VERSIONS = ("1.4.0", "2.3.2", "4.12.0", "2026.3.0", "2026.8.2")
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
    environment = machine.environment()
    return tuple(v for v in VERSIONS if detection.is_in_container(environment, rules_for(v)))


def test_a_bare_machine_is_no_container(machine: Machine) -> None:
    """Without any mark no version sees a container."""
    assert seen_by(machine) == ()


@pytest.mark.parametrize("path", ENGINE)
def test_engine_markers(machine: Machine, path: str) -> None:
    """Docker's and Podman's marker files count for every version."""
    mark(machine, path)
    assert seen_by(machine) == VERSIONS


@pytest.mark.parametrize("path", IMAGE)
def test_image_markers(machine: Machine, path: str) -> None:
    """The image's own markers count since 2.x."""
    mark(machine, path)
    assert seen_by(machine) == VERSIONS[1:]


def test_a_folder_is_no_image_marker(machine: Machine) -> None:
    """An image marker must be a file."""
    (machine.root / IMAGE[0].lstrip("/")).mkdir(parents=True)
    assert seen_by(machine) == ()


@pytest.mark.parametrize("text", ["0::/docker/abc\n", "1:x:/buildkit/1\n", "0::/pods/testhost\n"])
def test_cgroup_text(machine: Machine, text: str) -> None:
    """`docker`, `buildkit` or the host's name in the first process' cgroup count, not in 2026.3."""
    mark(machine, CGROUP, text=text)
    assert seen_by(machine) == ("1.4.0", "2.3.2", "4.12.0", "2026.8.2")


def test_an_empty_host_name_is_in_no_text(machine: Machine) -> None:
    """A machine without a name is no container for that."""
    mark(machine, CGROUP, text="0::/init.scope\n")
    environment = machine.environment(host_name="")
    assert not any(detection.is_in_container(environment, rules_for(v)) for v in VERSIONS)


@pytest.mark.parametrize(
    "path", ["/sys/fs/cgroup/docker/x", "/sys/fs/cgroup/system.slice/docker-1.scope/x"]
)
def test_a_docker_host_is_no_container(machine: Machine, path: str) -> None:
    """A machine that runs containers itself shows docker in its cgroups, and is a host."""
    mark(machine, CGROUP, text="0::/docker\n")
    for folder in ("memory/system.slice", "system.slice"):
        (machine.root / "sys/fs/cgroup" / folder).mkdir(parents=True)
    mark(machine, path)
    assert seen_by(machine) == ()
    mark(machine, MOUNTS, text=CONTAINERD)
    assert seen_by(machine) == ("2026.3.0",)


def test_a_folder_that_is_missing_ends_the_look_for_a_docker_host(machine: Machine) -> None:
    """The client's look raises at the first missing folder, and it then trusts the cgroup."""
    mark(machine, CGROUP, text="0::/docker\n")
    mark(machine, "/sys/fs/cgroup/docker/x")
    assert seen_by(machine) == ("1.4.0", "2.3.2", "4.12.0", "2026.8.2")


def test_containerd_mounts(machine: Machine) -> None:
    """A root mounted by containerd counts since 2.x, before 2026.3 only beside a cgroup file."""
    mark(machine, MOUNTS, text=f"# comment\nproc /proc proc rw 0 0\nshort /\n{CONTAINERD}")
    assert seen_by(machine) == ("2026.3.0",)
    mark(machine, CGROUP, text="0::/\n")
    assert seen_by(machine) == VERSIONS[1:]
    mark(machine, MOUNTS, text=CONTAINERD.replace(" / ", " /mnt ", 1))
    assert seen_by(machine) == ()


@pytest.mark.parametrize("value", ["1", "TRUE", " true "])
def test_override_on(machine: Machine, value: str) -> None:
    """OVERRIDE_IN_DOCKER with a Yes makes a container for every version."""
    assert seen_by(machine, OVERRIDE_IN_DOCKER=value) == VERSIONS


@pytest.mark.parametrize("value", ["0", "false", "FALSE", " 0 "])
def test_override_off(machine: Machine, value: str) -> None:
    """OVERRIDE_IN_DOCKER with a No hides every mark since 2.x; 1.x knows the Yes alone."""
    mark(machine, *ENGINE, *IMAGE)
    assert seen_by(machine, OVERRIDE_IN_DOCKER=value) == ("1.4.0",)


@pytest.mark.parametrize("value", ["", "yes", "no", "2", "off"])
def test_override_odd(machine: Machine, value: str) -> None:
    """Any other value of the override says nothing."""
    assert seen_by(machine, OVERRIDE_IN_DOCKER=value) == ()
    mark(machine, ENGINE[0])
    assert seen_by(machine, OVERRIDE_IN_DOCKER=value) == VERSIONS


def test_the_override_is_not_read_from_a_profile(machine: Machine) -> None:
    """The client decides before it reads its profiles."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text("OVERRIDE_IN_DOCKER=1\n")
    assert not LocalStackClient(machine.environment()).is_in_container


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
        assert detection.container_runtime(machine.environment()) == expected
    other = machine.environment(root=machine.folder, variables={"KUBERNETES_SERVICE_HOST": "x"})
    assert detection.container_runtime(other) == "kubernetes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.12.0", (4, 12, 0)),
        ("1.0.5.dev", (1, 0, 5)),
        (" 2026.8.2 ", (2026, 8, 2)),
        ("4.12.0+git", (4, 12, 0)),
        ("5", (5,)),
        ("v4", ()),
        ("", ()),
        ("latest", ()),
    ],
)
def test_version_parsing(text: str, expected: tuple[int, ...]) -> None:
    """The leading numbers are the version; text without them is none."""
    assert parse_version(text) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0.4", (False, "short", "v1", "platform", False, False)),
        ("1.4.0", (False, "short", "v1", "platform", False, False)),
        ("2.0.0", (False, "prefixed", "markers", "os-type", False, False)),
        ("3.0.2", (False, "prefixed", "markers", "os-type", False, False)),
        ("3.8.1", (True, "prefixed", "markers", "os-type", False, False)),
        ("4.1.0", (True, "prefixed", "markers", "os-type", False, False)),
        ("4.2.0", (True, "prefixed", "markers", "os-type", True, False)),
        ("4.13.1", (True, "prefixed", "markers", "os-type", True, False)),
        ("4.14.0", (True, "prefixed", "markers", "summary", True, False)),
        ("2026.3.0", (True, "prefixed", "runtimes", "summary", True, True)),
        ("2026.8.2", (True, "prefixed", "markers", "os-type", True, False)),
    ],
)
def test_rules_of_a_version(version: str, expected: tuple[object, ...]) -> None:
    """Each version has the rules that were read in its published wheel."""
    rules = rules_for(version)
    assert rules.version == version
    assert (
        rules.reads_profile_list,
        rules.machine_id,
        rules.container_test,
        rules.system,
        rules.has_product,
        rules.has_container_runtime,
    ) == expected


@pytest.mark.parametrize("version", [None, "", "unknown"])
def test_an_unknown_version_has_the_newest_rules(version: str | None) -> None:
    """Without a version that can be read the newest known rules hold."""
    newest = rules_for("2026.8.2")
    assert rules_for(version).container_test == newest.container_test
    assert rules_for(version).reads_profile_list


@pytest.mark.parametrize(
    ("value", "yes", "three_way"),
    [("1", True, True), ("tRuE", True, True), ("0", False, False), (" False ", False, False)]
    + [(value, False, None) for value in ("", "yes", "2", None)],
)
def test_truth(value: str | None, *, yes: bool, three_way: bool | None) -> None:
    """LocalStack's two tests: Yes or not, and Yes, No or neither."""
    assert is_true(value) == yes
    assert parse_boolean(value) is three_way


def lay_packages(folder: Path, *distributions: str) -> None:
    """Put packages' metadata into a folder."""
    for distribution in distributions:
        (folder / f"{distribution}.dist-info").mkdir(parents=True)


def put_script(file: Path, first_line: str) -> None:
    """Put an executable script."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{first_line}\n")
    file.chmod(0o755)


def version_of(machine: Machine) -> str | None:
    """Return the version that is found; the command itself must be."""
    found = find(machine.environment())
    assert found.installed
    return found.version


def test_not_installed(machine: Machine) -> None:
    """Without a command on PATH nothing is installed, packages or not."""
    lay_packages(machine.folder / "lib/python3.11/site-packages", "localstack_core-4.12.0")
    assert not find(machine.environment()).installed
    assert not find(machine.environment(variables={})).installed


def test_a_version_in_a_linked_venv(machine: Machine) -> None:
    """A link on PATH into a virtual environment (pipx) leads to that environment's packages."""
    machine.install_localstack("4.12.0")
    assert version_of(machine) == "4.12.0"


def test_the_venv_beats_a_stale_user_site(machine: Machine) -> None:
    """The packages that the script's interpreter imports count, not those beside the link."""
    machine.install_localstack("4.12.0")
    lay_packages(machine.folder / "lib/python3.11/site-packages", "localstack_core-1.0.0")
    lay_packages(machine.home / ".local/lib/python3.11/site-packages", "localstack_core-2.0.0")
    assert version_of(machine) == "4.12.0"


def test_a_version_by_the_interpreter(machine: Machine) -> None:
    """A script elsewhere names its interpreter in its first line."""
    venv = machine.folder / "tool"
    put_script(machine.bin / "localstack", f"#!{venv}/bin/python3.12 -s")
    lay_packages(venv / "lib/python3.12/site-packages", "localstack-2026.8.2")
    assert version_of(machine) == "2026.8.2"


def test_env_is_no_interpreter(machine: Machine) -> None:
    """`env` and `sh` in the first line tell nothing of where the packages lie."""
    put_script(machine.bin / "localstack", f"#!{machine.folder}/other/bin/env python3")
    lay_packages(machine.folder / "other/lib/python3.12/site-packages", "localstack_core-9.9.9")
    assert version_of(machine) is None


def test_a_version_in_the_user_site(machine: Machine) -> None:
    """`pip install --user` leaves packages below the home folder."""
    put_script(machine.bin / "localstack", "#!/nowhere/bin/python3")
    lay_packages(machine.home / ".local/lib/python3.11/site-packages", "localstack_core-3.0.2")
    assert version_of(machine) == "3.0.2"


def test_the_core_package_names_the_version(machine: Machine) -> None:
    """Where both packages lie the core's version counts: the other may be an empty shell."""
    put_script(machine.bin / "localstack", "#!/nowhere/bin/python3")
    site = machine.home / ".local/lib/python3.11/site-packages"
    lay_packages(site, "localstack-4.0.0", "localstack_core-4.12.0", "localstack_ext-4.1.0")
    assert version_of(machine) == "4.12.0"


@pytest.mark.parametrize("first_line", ["", "\x7fELF", "#!", "#! "])
def test_an_unknown_version(machine: Machine, first_line: str) -> None:
    """A command without packages is installed, and its version unknown."""
    put_script(machine.bin / "localstack", first_line)
    assert version_of(machine) is None


def test_a_pipe_as_the_command_does_not_hang(machine: Machine) -> None:
    """A pipe that is executable is not read."""
    os.mkfifo(machine.bin / "localstack", 0o755)
    assert version_of(machine) is None
