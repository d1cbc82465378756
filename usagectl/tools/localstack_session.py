"""LocalStack's session request: what each version would post, byte for byte.

Facts, parts 1, 2, 4 and 6. It is serialised as that client does, so that it can be laid
beside the client's own bytes. No running program is asked here: what Docker or an
instance said is handed in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from usagectl.tools.base import (
    Caution,
    endpoint_caution,
    find_executable,
    new_random_id,
    read_system_id,
)
from usagectl.tools.localstack_client import (
    ENDPOINT_VARIABLES,
    NAME,
    NEWEST_KNOWN,
    LocalStackClient,
    container_runtime,
    is_known,
    is_true,
)
from usagectl.tools.previews import Live, PartPreview, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.machine.environment import Environment
    from usagectl.tools.previews import PreviewWish

STATIC_LIBS = "/usr/lib/localstack"

_DOCKER_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_SALT = "ls"
_OTHER_EVENTS = (
    f"{NAME}: its commands also post a cli_cmd event each, which usagectl capture -- {NAME} "
    "config show catches byte for byte; its container sends more, see usagectl explain."
)


def preview(environment: Environment, wish: PreviewWish) -> PartPreview:
    """Build the session request of a command-line process."""
    client = LocalStackClient(environment, version=wish.version)
    found = _preview_part(client, wish)
    remarks = [*_version_remarks(client, wish)]
    if found.requests or found.is_unknown:
        remarks.append(_OTHER_EVENTS)
    return found._replace(remarks=tuple(remarks))


def _version_remarks(client: LocalStackClient, wish: PreviewWish) -> Iterator[str]:
    """Say whose rules are followed where they may not be those of the installed client."""
    installation = client.installation
    shown = wish.version or installation.version
    if shown is None:
        found = "its version is not known" if installation.installed else "it is not found"
        yield f"{NAME}: {found} here; these are the rules of {NEWEST_KNOWN}."
    elif not is_known(shown):
        yield (
            f"{NAME}: the rules of {shown} were never read; these are those of the "
            "version nearest before it, and may be wrong."
        )


def _preview_part(client: LocalStackClient, wish: PreviewWish) -> PartPreview:
    if not wish.shows("cli"):
        return PartPreview("cli")
    variable = ENDPOINT_VARIABLES["cli"]
    if caution := endpoint_caution(NAME, client.endpoint("cli"), variable=variable):
        return PartPreview("cli", cautions=(caution,))
    return _preview_process(client, wish, (wish.live or Live()).docker)


def _preview_process(
    client: LocalStackClient, wish: PreviewWish, docker: Mapping[str, object]
) -> PartPreview:
    edition = _edition(client)
    if edition is None:
        return PartPreview("cli", cautions=(_no_session(),), is_unknown=True)
    machine_id, is_random = _machine_id(client, wish, docker)
    own = {"machine_id": machine_id, "system": _system(client, docker), "edition": edition}
    varying = ["/metadata/session_id", "/metadata/client_time", "/payload/session_id"]
    varying += ["/payload/machine_id"] if is_random else []
    base = client.endpoint("cli")
    payload = _process_payload(client, own)
    request = build_request(client, "cli", payload, base=base, varying=tuple(varying))
    cautions = [_start_alone()] if wish.is_changed else []
    cautions += () if wish.live else _docker_cautions(client, wish)
    return PartPreview("cli", (request,), tuple(cautions))


def _no_session() -> Caution:
    message = (
        "Its commands post a cli_cmd event each, but no session event: the working folder cannot "
        "be listed, and this version gives up there."
    )
    return Caution("no-session", message, f"cd && usagectl preview {NAME}")


def _start_alone() -> Caution:
    message = (
        f"In this container only `{NAME} start` posts this; its other commands post a cli_cmd "
        "event each and no session event."
    )
    return Caution("no-session", message, f"usagectl capture -- {NAME} config show")


def _docker_cautions(client: LocalStackClient, wish: PreviewWish) -> Iterator[Caution]:
    if _may_have_docker(client.environment) and not client.rules.is_first_edition:
        members = "system is" if "cli" in wish.stored_ids else "system and machine_id are"
        here = "Docker seems to run here and was not asked"
        message = f"{here}, so {members} what the client falls back to without it."
        yield Caution("docker-not-asked", message, f"usagectl preview {NAME} --live")


def _may_have_docker(environment: Environment) -> bool:
    command = environment.variables.get("DOCKER_CMD", "").strip() or "docker"
    if find_executable(command.split()[0], environment) is None:
        return False
    if environment.variables.get("DOCKER_HOST"):
        return True
    return any(environment.at_root(socket).exists() for socket in _DOCKER_SOCKETS)


def build_request(
    client: LocalStackClient,
    part: str,
    payload: Mapping[str, object],
    *,
    base: str,
    varying: tuple[str, ...],
    unknown: tuple[str, ...] = (),
) -> Request:
    """Build the request, serialised as `requests` does for LocalStack: `", "`, `": "`, ASCII."""
    version = client.rules.version
    url = f"{base}/session"
    metadata = {
        "session_id": payload["session_id"],
        "client_time": str(int(client.environment.now().timestamp())),
    }
    body = json.dumps({"name": "session", "metadata": metadata, "payload": payload}).encode()
    headers = {
        "Host": urlsplit(url).netloc.rpartition("@")[2],
        "User-Agent": f"localstack/{version}",
        "Accept-Encoding": "gzip, deflate",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "Localstack-Session-ID": str(payload["session_id"]),
        "Content-Length": "unknown" if unknown else str(len(body)),
        "Content-Type": "application/json",
    }
    request = Request(NAME, part, "POST", url, headers, body, ("session",), version=version)
    return request._replace(varying=varying, unknown=unknown)


def _process_payload(client: LocalStackClient, own: Mapping[str, object]) -> dict[str, object]:
    """Compute the payload of a command-line process."""
    import uuid

    git_hash = client.variables.get("LOCALSTACK_BUILD_GIT_HASH", "").strip()
    version = client.rules.version
    known = {
        "session_id": str(uuid.UUID(bytes=client.environment.entropy(16), version=4)),
        "version": f"{version}:{git_hash}" if git_hash else version,
        "is_docker": client.is_in_container,
    }
    own = {**own, **known}
    payload = lay_payload(client, own, variables=client.variables, product="unknown")
    if client.rules.has_container_runtime:
        payload["container_runtime"] = container_runtime(client.environment)
    return payload


def lay_payload(
    client: LocalStackClient,
    own: Mapping[str, object],
    *,
    variables: Mapping[str, str],
    product: str,
) -> dict[str, object]:
    """Lay out what a process knows of itself, and what its variables say, as the client does."""
    payload: dict[str, object] = {
        "session_id": own.get("session_id"),
        "machine_id": own.get("machine_id"),
        "api_key": _api_key(variables),
        "system": own.get("system"),
        "version": own["version"],
        "is_ci": "CI" in variables,
        "is_docker": own.get("is_docker"),
        "is_testing": is_true(variables.get("LOCALSTACK_INTERNAL_TEST_RUN")),
    }
    if client.rules.has_product:
        payload["product"] = variables.get("LOCALSTACK_TELEMETRY_PRODUCT") or product
        payload["edition"] = own.get("edition")
    return payload


def _machine_id(
    client: LocalStackClient, wish: PreviewWish, docker: Mapping[str, object]
) -> tuple[object, bool]:
    """Return the stored ID, else the one that the client would derive or draw at random.

    Version 1 keeps its file below its own package (facts, part 4), where it is not looked for.

    Returns:
        The ID, and whether it is drawn at random, so that another run has another.
    """
    drawn = new_random_id(client.environment)
    system_id = None if client.is_in_container else read_system_id(client.environment)
    if client.rules.is_first_edition:
        return (drawn[:8], True) if system_id is None else (_md5(system_id)[:8], False)
    if "cli" in wish.stored_ids:
        return wish.stored_ids["cli"], False
    if isinstance(docker_id := docker.get("ID"), str):
        return f"dkr_{_md5(_SALT + docker_id)[:12]}", False
    text = (system_id or "").strip()
    return (f"sys_{_md5(_SALT + text)[:12]}", False) if text else (f"gen_{drawn}", True)


def _md5(text: str) -> str:
    import hashlib

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _api_key(variables: Mapping[str, str]) -> str:
    for name in ("LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY"):
        value = variables.get(name, "").strip("'\" ")
        if value:
            return value
    return ""


def _system(client: LocalStackClient, docker: Mapping[str, object]) -> str:
    environment = client.environment
    if client.rules.is_first_edition:
        return environment.system
    if client.rules.has_summary:
        found = [docker.get(name) for name in ("OperatingSystem", "KernelVersion", "Architecture")]
        if all(isinstance(value, str) for value in found):
            return ",".join(map(str, found))
        mark = "(Container)" if client.is_in_container else ""
        return f"{environment.system}{mark},{environment.release},{environment.machine}"
    os_type = docker.get("OSType")
    if isinstance(os_type, str) and os_type:
        return os_type.lower()
    return "docker" if client.is_in_container else environment.system.lower()


def can_name_edition(client: LocalStackClient) -> bool:
    """True unless the client fails at the edition, and so posts no session event."""
    return _edition(client) is not None


def _edition(client: LocalStackClient) -> str | None:
    """Compute the edition; None where the client fails at it.

    A command-line process has no folder of static libraries, and its `listdir(None)`
    lists the working folder: a stray `.x-version` there becomes the edition.
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
