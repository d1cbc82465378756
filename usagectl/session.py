"""Own what LocalStack's session event holds, as each version computes it.

Facts, parts 2 and 6. Nothing is asked of a running program here: what Docker
or an instance said is handed in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from usagectl import identity
from usagectl.tools.detection import container_runtime
from usagectl.tools.localstack_rules import is_true

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usagectl.identity import MachineId
    from usagectl.machine.environment import Environment
    from usagectl.tools.localstack_client import LocalStackClient

STATIC_LIBS = "/usr/lib/localstack"


def process_payload(
    client: LocalStackClient, *, edition: str, docker: Mapping[str, object]
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Compute the session of a command-line process.

    Args:
        client: the client's view of the machine.
        edition: what `edition_of` gave.
        docker: what Docker's `info` said; empty when it was not asked.

    Returns:
        The payload in the client's order, and the pointers that are drawn at send time.
    """
    environment, variables, rules = client.environment, client.variables, client.rules
    machine_id, is_random = _machine_id(client, docker)
    git_hash = variables.get("LOCALSTACK_BUILD_GIT_HASH", "").strip()
    payload: dict[str, object] = {
        "session_id": _session_id(environment),
        "machine_id": machine_id,
        "api_key": _api_key(client),
        "system": _system(client, docker),
        "version": f"{rules.version}:{git_hash}" if git_hash else rules.version,
        "is_ci": "CI" in variables,
        "is_docker": client.is_in_container,
        "is_testing": is_true(variables.get("LOCALSTACK_INTERNAL_TEST_RUN")),
    }
    if rules.has_product:
        payload["product"] = variables.get("LOCALSTACK_TELEMETRY_PRODUCT") or "unknown"
        payload["edition"] = edition
    if rules.has_container_runtime:
        payload["container_runtime"] = container_runtime(environment)
    varying = ("/metadata/session_id", "/metadata/client_time", "/payload/session_id")
    return payload, (*varying, "/payload/machine_id") if is_random else varying


def _session_id(environment: Environment) -> str:
    """Draw a version 4 UUID, as the client does for each process."""
    import uuid

    return str(uuid.UUID(bytes=environment.entropy(16), version=4))


def _machine_id(client: LocalStackClient, docker: Mapping[str, object]) -> tuple[object, bool]:
    found = stored_id(client)
    if found is not None:
        return found.value, False
    docker_id = docker.get("ID")
    return identity.derive(
        client.environment,
        client.rules,
        in_container=client.is_in_container,
        docker_id=docker_id if isinstance(docker_id, str) else None,
    )


def stored_id(client: LocalStackClient) -> MachineId | None:
    """Read the ID that the command line would take from its file; None where it makes one.

    Version 1 keeps its file below its own package (facts, part 4), which is not looked at.
    """
    if client.rules.machine_id == "short":
        return None
    places = identity.places(client.environment)
    place = next(p for p in places if (p.tool, p.part) == ("localstack", "cli"))
    found = identity.read(place)
    return None if found.kind in ("missing", "unreadable") else found


def _api_key(client: LocalStackClient) -> str:
    for name in ("LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY"):
        value = client.variables.get(name, "").strip("'\" ")
        if value:
            return value
    return ""


def _system(client: LocalStackClient, docker: Mapping[str, object]) -> str:
    environment = client.environment
    if client.rules.system == "platform":
        return environment.system
    if client.rules.system == "summary":
        return _system_summary(client, docker)
    os_type = docker.get("OSType")
    if isinstance(os_type, str) and os_type:
        return os_type.lower()
    return "docker" if client.is_in_container else environment.system.lower()


def _system_summary(client: LocalStackClient, docker: Mapping[str, object]) -> str:
    environment = client.environment
    found = [docker.get(name) for name in ("OperatingSystem", "KernelVersion", "Architecture")]
    if all(isinstance(value, str) for value in found):
        return ",".join(str(value) for value in found)
    name = f"{environment.system}(Container)" if client.is_in_container else environment.system
    return f"{name},{environment.release},{environment.machine}"


def edition_of(client: LocalStackClient) -> str | None:
    """Compute the edition; None where the client fails at it.

    A command-line process has no folder of static libraries, and `listdir`
    of none is the working folder: a stray `.x-version` there becomes the edition.
    """
    chosen = client.variables.get("LOCALSTACK_TELEMETRY_EDITION")
    if chosen or not client.rules.has_product:
        return chosen or "unknown"
    environment = client.environment
    in_container = client.is_in_container
    folder = environment.at_root(STATIC_LIBS) if in_container else environment.cwd
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return None
    for name in names:
        if name.startswith(".") and name.endswith("-version"):
            return name.removesuffix("-version").removeprefix(".")
    return "unknown"


def instance_payload(running: LocalStackClient, info: Mapping[str, object]) -> dict[str, object]:
    """Compute the session of a running instance from what it says at `/_localstack/info`."""
    variables = running.variables
    payload: dict[str, object] = {
        "session_id": info.get("session_id"),
        "machine_id": info.get("machine_id"),
        "api_key": _api_key(running),
        "system": info.get("system"),
        "version": str(info.get("version", running.rules.version)),
        "is_ci": "CI" in variables,
        "is_docker": info.get("is_docker"),
        "is_testing": is_true(variables.get("LOCALSTACK_INTERNAL_TEST_RUN")),
    }
    if running.rules.has_product:
        payload["product"] = variables.get("LOCALSTACK_TELEMETRY_PRODUCT") or "aws"
        payload["edition"] = info.get("edition")
    return payload


def serialise(metadata: Mapping[str, object], payload: Mapping[str, object]) -> bytes:
    """Serialise as `requests` does for LocalStack: `", "` and `": "`, ASCII only."""
    event = {"name": "session", "metadata": metadata, "payload": payload}
    return json.dumps(event).encode()
