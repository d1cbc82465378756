"""A tracker, an endpoint that behaves as told, and clients of boto3 that call it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse

from tests.support.emulator import config, session
from tests.support.endpoint import Endpoint, always
from tests.support.spooling import entries
from usagectl.emitting.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

QUEUES = b'{"QueueUrls": ["http://127.0.0.1/0/q"]}'


class Desk:
    """A tracker, an endpoint that behaves as told, and clients for it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.environment = machine.environment()
        self.tracker = Tracker("sample", version="1.0.0", environment=self.environment)
        self.endpoint = Endpoint(always(200, QUEUES))
        self.session = session()
        self._clients: list[Any] = []

    def client(self, service: str = "sqs", url: str = "", **options: object) -> Any:  # noqa: ANN401
        """Make a client of the session."""
        url = url or self.endpoint.base.removesuffix("/v1")
        made = self.session.client(service, endpoint_url=url, config=config(**options))
        self._clients.append(made)
        return made

    def payloads(self) -> list[dict[str, Any]]:
        """Read what is recorded of calls by now; everything that was handed over did fit."""
        assert self.tracker.dropped == 0
        self.tracker.flush()
        events = (json.loads(each.body) for each in entries(self.machine))
        return [event["payload"] for event in events if event["name"] == "aws_request"]

    def close(self) -> None:
        """Let go of everything."""
        for client in self._clients:
            client.close()
        self.tracker.close()


class NoBody(io.BytesIO):
    """The body of an answer that never came over a wire."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """Yield nothing."""
        yield from ()


def stub(request: Any, **_: object) -> AWSResponse:  # noqa: ANN401
    """Answer instead of the network, under the address that was asked."""
    return AWSResponse(request.url, 200, {}, NoBody())


def stub_from_nowhere(**_: object) -> AWSResponse:
    """Answer instead of the network, without an address, as transfers by awscrt do."""
    return AWSResponse(None, 200, {}, NoBody())
