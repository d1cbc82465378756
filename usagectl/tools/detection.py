"""Own how LocalStack's client finds out that it runs in a container, by version.

Facts, part 6. Marker files are looked for below the environment's root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.tools.base import exists, is_dir, is_file
from usagectl.tools.localstack_rules import is_true, parse_boolean

if TYPE_CHECKING:
    from usagectl.machine.environment import Environment
    from usagectl.tools.localstack_rules import Rules

_IMAGE_MARKERS = (
    "/usr/lib/localstack/.community-version",
    "/usr/lib/localstack/.pro-version",
    "/tmp/localstack/.marker",  # noqa: S108  (the client's own literal)
)
_ENGINE_MARKERS = ("/.dockerenv", "/run/.containerenv")
_CGROUP_FOLDERS = ("/sys/fs/cgroup/memory/docker", "/sys/fs/cgroup/docker")
_SLICES = ("/sys/fs/cgroup/memory/system.slice", "/sys/fs/cgroup/system.slice")
_ROOT_MOUNT_FIELDS = 4


def is_in_container(environment: Environment, rules: Rules) -> bool:
    """Tell what the client's `is_docker` would be.

    OVERRIDE_IN_DOCKER counts from the environment alone: the client reads it
    before its profiles.
    """
    override = environment.variables.get("OVERRIDE_IN_DOCKER")
    if rules.container_test == "v1":
        return is_true(override) or _has_engine_marker(environment) or _cgroup_says_so(environment)
    chosen = parse_boolean(override)
    if chosen is not None:
        return chosen
    if rules.container_test == "runtimes":
        return container_runtime(environment) != "none"
    if _has_image_marker(environment) or _has_engine_marker(environment):
        return True
    if not _has_cgroup_file(environment) or _is_docker_host(environment):
        return False
    return _cgroup_says_so(environment) or _root_is_containerd(environment)


def container_runtime(environment: Environment) -> str:
    """Name the runtime as 2026.3 does: Kubernetes before Podman before Docker."""
    secrets = environment.at_root("/var/run/secrets/kubernetes.io/serviceaccount")
    if environment.variables.get("KUBERNETES_SERVICE_HOST") or is_dir(secrets):
        return "kubernetes"
    if exists(environment.at_root("/run/.containerenv")):
        return "podman"
    if exists(environment.at_root("/.dockerenv")):
        return "docker"
    if _root_is_containerd(environment):
        return "containerd"
    return "generic" if _has_image_marker(environment) else "none"


def _has_image_marker(environment: Environment) -> bool:
    return any(is_file(environment.at_root(marker)) for marker in _IMAGE_MARKERS)


def _has_engine_marker(environment: Environment) -> bool:
    return any(exists(environment.at_root(marker)) for marker in _ENGINE_MARKERS)


def _has_cgroup_file(environment: Environment) -> bool:
    return exists(environment.at_root("/proc/1/cgroup"))


def _cgroup_says_so(environment: Environment) -> bool:
    if not _has_cgroup_file(environment) or _is_docker_host(environment):
        return False
    text = _read_text(environment, "/proc/1/cgroup")
    if "docker" in text or "buildkit" in text:
        return True
    return bool(environment.host_name) and environment.host_name in text


def _is_docker_host(environment: Environment) -> bool:
    """Tell whether this machine runs containers itself, which the client takes for a host.

    The four looks are one `any([...])` of the client inside a try: the first
    folder that cannot be listed ends it without an answer.
    """
    try:
        looks = (
            environment.at_root(_CGROUP_FOLDERS[0]).exists(),
            _lists_docker(environment, _SLICES[0]),
            environment.at_root(_CGROUP_FOLDERS[1]).exists(),
            _lists_docker(environment, _SLICES[1]),
        )
    except OSError:
        return False
    return any(looks)


def _lists_docker(environment: Environment, folder: str) -> bool:
    return any("docker-" in path.name for path in environment.at_root(folder).iterdir())


def _root_is_containerd(environment: Environment) -> bool:
    for line in _read_text(environment, "/proc/mounts").splitlines():
        fields = line.strip().split()
        if not fields or fields[0].startswith("#") or len(fields) < _ROOT_MOUNT_FIELDS:
            continue
        if fields[1] == "/" and "io.containerd" in fields[3]:
            return True
    return False


def _read_text(environment: Environment, path: str) -> str:
    try:
        return environment.at_root(path).read_text(errors="replace")
    except OSError:
        return ""
