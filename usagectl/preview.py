"""Own the exact requests that a tool would send, built without sending anything.

For LocalStack they follow the rules of a version (facts, parts 1, 2 and 6) and
are serialised as that client does, so that they can be laid beside what it puts
on the wire. What usagectl itself recorded is shown by `recorded`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from usagectl import consent, session, settings
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    MASK,
    Caution,
    find_executable,
    mask_credentials,
)
from usagectl.tools.localstack_client import LocalStackClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment

_DOCKER_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_DEFAULT_PORT = 4566


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one HTTP request as it would go out.

    Attributes:
        tool: who would send it.
        part: which part of it.
        method: always `POST`.
        url: the whole URL.
        headers: in the order in which they are written.
        body: the exact bytes, but for masked members.
        events: names of the events in it.
        masked: JSON pointers of members whose value is hidden here.
        varying: JSON pointers of members that are drawn at send time.
        version: the version whose rules apply.
    """

    tool: str
    part: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    events: tuple[str, ...]
    masked: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """Hold what one tool part would send and whether it would.

    Attributes:
        consent: the verdict of all switches.
        requests: empty when it is off and nothing else was asked for.
        cautions: what a person should know about these requests.
        is_unknown: whether something is sent whose bytes are not known here.
    """

    consent: Consent
    requests: tuple[Request, ...]
    cautions: tuple[Caution, ...] = ()
    is_unknown: bool = False

    @property
    def would_send(self) -> bool:
        """Tell whether these requests would leave the machine by themselves."""
        return self.consent.telemetry == "on" and (bool(self.requests) or self.is_unknown)


@dataclass(frozen=True, slots=True)
class Live:
    """Hold what running programs said: Docker's `info` and LocalStack's `/_localstack/info`."""

    docker: Mapping[str, object] = field(default_factory=dict)
    instance: Mapping[str, object] = field(default_factory=dict)


def preview_localstack(
    environment: Environment,
    *,
    version: str | None = None,
    if_enabled: bool = False,
    reveal: bool = False,
    live: Live | None = None,
) -> tuple[Preview, ...]:
    """Build LocalStack's session request as the command line would send it.

    With `live`, the request of the running instance follows. A socket is
    never opened here.
    """
    client = LocalStackClient(environment, version=version)
    verdicts = {found.part: found for found in consent.evaluate(environment, ["localstack"])}
    previews = [
        _preview_part(client, verdicts["cli"], if_enabled=if_enabled, reveal=reveal, live=live)
    ]
    if live and live.instance:
        verdict = verdicts["container"]
        shown = if_enabled or verdict.telemetry == "on"
        caution = endpoint_caution(verdict, "LOCALSTACK_ANALYTICS_API") if shown else None
        if caution is not None or not shown:
            previews.append(Preview(verdict, (), (caution,) if caution else ()))
        else:
            request = _instance_request(client, live.instance, reveal=reveal)
            previews.append(Preview(verdict, (request,)))
    return tuple(previews)


def _preview_part(
    client: LocalStackClient,
    verdict: Consent,
    *,
    if_enabled: bool,
    reveal: bool,
    live: Live | None,
) -> Preview:
    if verdict.telemetry != "on" and not if_enabled:
        return Preview(verdict, ())
    edition = session.edition_of(client)
    if caution := endpoint_caution(verdict, "ANALYTICS_API"):
        return Preview(verdict, (), (caution,))
    if edition is None:
        return Preview(verdict, (), (_no_session(client),), is_unknown=True)
    docker = live.docker if live else {}
    payload, varying = session.process_payload(client, edition=edition, docker=docker)
    cautions = () if live else tuple(_docker_cautions(client))
    request = _session_request(client, "cli", payload, varying=varying, reveal=reveal)
    return Preview(verdict, (request,), cautions)


def _no_session(client: LocalStackClient) -> Caution:
    if client.is_in_container:
        return Caution(
            "no-session",
            "Its commands post a cli_cmd event each, but no session event: in a container without "
            f"{session.STATIC_LIBS} this version fails while it computes the edition. `localstack "
            "start` first declares that it is on a host; the line below shows what it then sends.",
            "OVERRIDE_IN_DOCKER=0 usagectl preview localstack",
        )
    return Caution(
        "no-session",
        "Its commands post a cli_cmd event each, but no session event: the working folder cannot "
        "be listed, and this version fails there while it computes the edition.",
        "cd && usagectl preview localstack",
    )


def _docker_cautions(client: LocalStackClient) -> list[Caution]:
    if client.rules.machine_id == "short" or not _may_have_docker(client.environment):
        return []
    members = "system is" if session.stored_id(client) else "system and machine_id are"
    message = (
        f"Docker seems to run here and was not asked, so {members} what the client falls "
        "back to without it."
    )
    return [Caution("docker-not-asked", message, "usagectl preview localstack --live")]


def _may_have_docker(environment: Environment) -> bool:
    command = environment.variables.get("DOCKER_CMD", "").strip() or "docker"
    if find_executable(command.split()[0], environment) is None:
        return False
    if environment.variables.get("DOCKER_HOST"):
        return True
    return any(environment.at_root(socket).exists() for socket in _DOCKER_SOCKETS)


def _session_request(
    client: LocalStackClient,
    part: str,
    payload: Mapping[str, object],
    *,
    varying: tuple[str, ...],
    reveal: bool,
) -> Request:
    environment, version = client.environment, client.rules.version
    base = client.variables if part == "container" else environment.variables
    name = "LOCALSTACK_ANALYTICS_API" if part == "container" else "ANALYTICS_API"
    url = (base.get(name) or LOCALSTACK_ENDPOINT).rstrip("/") + "/session"
    metadata = {
        "session_id": payload["session_id"],
        "client_time": str(int(environment.now().timestamp())),
    }
    length = len(session.serialise(metadata, payload))
    masked = () if reveal or not payload["api_key"] else ("/payload/api_key",)
    shown = {**payload, "api_key": MASK} if masked else payload
    headers = {
        "Host": urlsplit(url).netloc.rpartition("@")[2],
        "User-Agent": f"localstack/{version}",
        "Accept-Encoding": "gzip, deflate",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "Localstack-Session-ID": str(payload["session_id"]),
        "Content-Length": str(length),
        "Content-Type": "application/json",
    }
    body = session.serialise(metadata, shown)
    url = url if reveal else mask_credentials(url)
    return Request(
        "localstack", part, "POST", url, headers, body, ("session",), masked, varying, version
    )


def _instance_request(
    client: LocalStackClient, info: Mapping[str, object], *, reveal: bool
) -> Request:
    """Build the session request of the running instance from what it says of itself."""
    version = str(info.get("version", client.rules.version)).partition(":")[0]
    running = LocalStackClient(client.environment, version=version)
    payload = session.instance_payload(running, info)
    varying = ("/metadata/client_time",)
    return _session_request(running, "container", payload, varying=varying, reveal=reveal)


def instance_port(environment: Environment) -> int:
    """Name the loopback port of a running instance, from GATEWAY_LISTEN or EDGE_PORT."""
    variables = LocalStackClient(environment).variables
    listen = variables.get("GATEWAY_LISTEN", "").split(",")[0]
    match = re.search(r"(?:^|:)(\d{1,5})$", listen.strip())
    text = match[1] if match else variables.get("EDGE_PORT", "").strip()
    return int(text) if text.isdecimal() and 0 < int(text) <= 65535 else _DEFAULT_PORT  # noqa: PLR2004


def preview_lstk(environment: Environment) -> tuple[Preview, ...]:
    """Say whether lstk sends; its bytes are known only from reading its source."""
    caution = Caution(
        "bytes-not-known",
        "What lstk sends is known only from reading its source, so no bytes are shown.",
        "usagectl explain lstk_command",
    )
    return tuple(
        Preview(verdict, (), (caution,) if verdict.telemetry == "on" else (), is_unknown=True)
        for verdict in consent.evaluate(environment, ["lstk"])
    )


def endpoint_caution(verdict: Consent, variable: str) -> Caution | None:
    """Warn when the endpoint is no URL that a client can post to."""
    if settings.is_http_url(verdict.endpoint):
        return None
    if not verdict.endpoint:
        message = f"{verdict.tool} names no endpoint, so its events stay in the spool."
        hint = f"usagectl spool show --raw --tool {verdict.tool}"
        return Caution("endpoint-missing", message, hint)
    message = f"The endpoint that {variable} names is no http or https URL, so nothing can be sent."
    return Caution("endpoint-invalid", message, f"unset {variable}")
