"""The session event of a program: its ID, and what the program runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl import identity
from usagectl.emitting import permission
from usagectl.events import schemas
from usagectl.events.encoding import format_client_time
from usagectl.machine.environment import is_ci, is_container

if TYPE_CHECKING:
    from datetime import datetime

    from usagectl.emitting.permission import Emitter
    from usagectl.events.schemas import Shape
    from usagectl.machine.environment import Environment

UNKNOWN = "unknown"


class Session(NamedTuple):
    """The session that events belong to.

    Attributes:
        session_id: a version 4 UUID.
        started: when it began.
    """

    session_id: str
    started: datetime


def start(environment: Environment) -> Session:
    """Draw a session ID."""
    import uuid  # a program that is off needs none

    drawn = uuid.UUID(bytes=environment.entropy(16), version=4)
    return Session(str(drawn), environment.now())


def build_event(
    environment: Environment,
    emitter: Emitter,
    session: Session,
    *,
    token: str | None = None,
    is_testing: bool = False,
    machine_id: str = "",
) -> bytes:
    """Build the notice's session event.

    A version, token or kept ID that does not fit the notice is not sent: the version is
    unknown then, the token absent, the ID another one for this session.

    Args:
        environment: what the program runs on.
        emitter: the program.
        session: the session.
        token: the program's token, if it handed one over; else the event has no such member.
        is_testing: whether this is a test run of the program itself.
        machine_id: empty: the tool's own, which is made and kept on first need.
    """
    payload: dict[str, object] = {
        "session_id": session.session_id,
        "machine_id": machine_id or permission.machine_id(environment, emitter),
        **({"api_key": token} if token else {}),
        "system": environment.system or UNKNOWN,
        "version": emitter.version or UNKNOWN,
        "is_ci": is_ci(environment),
        "is_docker": is_container(environment),
        "is_testing": is_testing,
    }
    shape = schemas.of("session")
    time = format_client_time(session.started)
    body = _write(shape, payload, environment)
    return shape.event(body, client_time=time, session_id=session.session_id)


def _write(shape: Shape, payload: dict[str, object], environment: Environment) -> bytes:
    """Write the payload; replace each member that does not fit, once."""
    drawn = f"gen_{identity.new_random(environment)}"
    substitutes = {"version": UNKNOWN, "api_key": None, "machine_id": drawn}
    while True:
        try:
            return shape.payload(payload)
        except schemas.EventShapeError as error:
            if error.field not in substitutes:
                raise
            payload[error.field] = substitutes.pop(error.field)
            if payload[error.field] is None:
                del payload[error.field]
