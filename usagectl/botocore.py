"""Recording of a boto3 program's calls to an emulator: `usagectl.botocore.attach`.

It listens to botocore's own events and imports nothing of boto. No parameter is
recorded. Parameters are read for one purpose, to take out of an error's text whatever
repeats them ("Role deploy not found": only the call tells that "deploy" is a name), and
are not kept beyond the call.

What counts, and how often:

- A call counts once, however often it was tried, with its last answer: botocore
  reports a call's end once, by `after-call`, errors included.
- A call that nobody answered has no status and is not an event of the notice: a
  refused connection, a timeout, parameters that never left the process.
- An answer that botocore cannot read counts with its status alone.
- A call is not recorded if the program's own handler of its end raises and stands under a
  longer name, such as `after-call.sqs`: that handler comes first.
- Calls to anything but an emulator are not recorded, not even counted.
- An error's type is its code on the wire, not the exception that botocore models: the
  answer to a HEAD has no body, so a missing key is `404` there and `NoSuchKey` for a GET.

Pages, waiters and transfers count each call that they make; a presigned URL is not a
call. aiobotocore is not supported: it is another library, with events of its own.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from usagectl import endpoint
from usagectl.errors import InvalidValueError, UsageError
from usagectl.events.record import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from usagectl.emitting.tracker import Tracker

_Foreign: TypeAlias = Any
"""What botocore hands over, untyped."""

_EMULATOR_HOSTS: Final = ("localhost", "localhost.localstack.cloud")
"""An emulator's names, with all names below them: `my-bucket.s3.localhost.localstack.cloud`."""

_AWS_HOSTS: Final = (
    *("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "aws", "ic.gov", "sgov.gov"),
    *("amazonwebservices.com.cn", "amazonwebservices.eu", "adc-e.uk"),
)
"""Where AWS itself answers, in all its partitions; no caller can declare these an emulator."""

MOST_CHARACTERS: Final = 1 << 16
"""How much of the parameters is read; with more of them, no text is kept at all."""

_MOST_TEXT: Final = 1 << 12

_LONG: Final = 8
"""A value of this length is found within a code; shorter ones stand in ordinary words too."""

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*")
_WORD = re.compile(r"[^\W_]+")


class NotAttachableError(UsageError, TypeError):
    """Attaching to something that makes no calls."""

    code = "not-attachable"

    def __init__(self, type_name: str) -> None:
        super().__init__(
            f"A tracker cannot be attached to {type_name}.",
            hint="usagectl.botocore.attach(boto3.Session(), tracker)",
        )


def attach(
    session_or_client: object,
    tracker: Tracker,
    *,
    hosts: Iterable[str] = (),
    is_internal: bool = False,
) -> Attachment:
    """Record the calls that a session's coming clients, or one client, make to an emulator.

    A session hands the attachment on to the clients that it makes from then on; attach
    an existing client by itself. However often a tracker is attached to the same calls,
    each is recorded once. A call is never delayed, and its answer and errors stay the same.

    Args:
        session_or_client: a session or client of boto3 or botocore, or a resource.
        tracker: records the calls; it closes and scrubs every text.
        hosts: names that an emulator is reached by, such as `localstack` in a network
            of containers, with all names below them. Loopback and LocalStack's own name
            need not be named; AWS cannot be.
        is_internal: whether the emulator itself makes these calls.

    Raises:
        NotAttachableError: it makes no calls; also a TypeError.
        InvalidValueError: one of `hosts` is not a host name, or belongs to AWS.
    """
    named = (hosts,) if isinstance(hosts, str) else hosts
    emulators = (*_EMULATOR_HOSTS, *(_checked(host) for host in named))
    emitter = _emitter_of(session_or_client)
    return Attachment(emitter, tracker, emulators=emulators, is_internal=is_internal)


class Attachment:
    """Link between calls and a tracker, until it is detached."""

    def __init__(
        self, emitter: _Foreign, tracker: Tracker, *, emulators: tuple[str, ...], is_internal: bool
    ) -> None:
        self._emitter = emitter
        self._tracker = tracker
        self._emulators = emulators
        self._is_internal = is_internal
        self._is_attached = True
        # botocore hands the same dictionary to all handlers of one call, and to no other call.
        self._attempt_key = f"usagectl-attempt-{id(self)}"
        self._params_key = f"usagectl-params-{id(self)}"
        self._recorded_key = f"usagectl-recorded-{id(tracker)}"
        self._under_way = threading.local()
        self._handlers: dict[str, Callable[..., None]] = {
            "before-parameter-build": self._on_params,
            "request-created": self._on_request,
            "before-parse": self._on_answer,
            "after-call": self._on_end,
            "after-call-error": self._on_failure,
        }
        for name, handler in self._handlers.items():
            # The signer and the program's own hooks have changed a request's headers at last.
            is_request = name == "request-created"
            (emitter.register_last if is_request else emitter.register_first)(name, handler)

    def detach(self) -> None:
        """Record nothing from now on, whatever clients a session has made meanwhile."""
        self._is_attached = False  # Those clients hold copies of the handlers.
        for name, handler in self._handlers.items():
            self._emitter.unregister(name, handler)

    def _on_params(self, params: object, context: _Foreign, **_: object) -> None:
        """Put the parameters into the call's own dictionary, which ends with the call."""
        if self._is_attached:
            with suppress(Exception):
                context[self._params_key] = params

    def _on_request(self, request: _Foreign, **_: object) -> None:
        """Note an attempt if it goes to an emulator, with the user agent that its answer lacks."""
        if not self._is_attached:
            return
        with suppress(Exception):
            attempt = None
            if _is_emulator(request.url, self._emulators):
                agent = request.headers.get("User-Agent")
                attempt = _Attempt(agent if isinstance(agent, str) else "")
            request.context[self._attempt_key] = self._under_way.attempt = attempt

    def _on_answer(self, operation_model: _Foreign, response_dict: _Foreign, **_: object) -> None:
        """Note an attempt's status before botocore reads the answer, which may fail."""
        with suppress(Exception):
            # The event names no call; attempt and answer are of the same thread.
            if attempt := self._under_way.attempt:
                attempt.model, attempt.status_code = operation_model, response_dict["status_code"]

    def _on_end(
        self, http_response: _Foreign, parsed: _Foreign, model: _Foreign, **more: _Foreign
    ) -> None:
        """Record a call that was answered; an answer without an address came from a stub."""
        with suppress(Exception):
            if http_response.url:
                error = parsed.get("Error", {})
                self._record(more["context"], model, http_response.status_code, error)

    def _on_failure(self, context: _Foreign, **_: object) -> None:
        """Record a call whose last answer botocore could not read."""
        with suppress(Exception):
            attempt = context[self._attempt_key]
            if attempt and attempt.status_code is not None:
                self._record(context, attempt.model, attempt.status_code, {})

    def _record(
        self, context: _Foreign, model: _Foreign, status_code: int, error: _Foreign
    ) -> None:
        attempt = context.get(self._attempt_key)  # None: sent elsewhere, or a stub answered.
        is_recorded = self._recorded_key in context  # by another attachment of the same tracker
        if not self._is_attached or attempt is None or is_recorded:
            return
        context[self._recorded_key] = True
        code, text = error.get("Code"), error.get("Message")
        self._tracker.aws_request(
            service=model.service_model.service_name,
            operation=model.name,
            status_code=status_code,
            err_type=self._own_code(code, context, model) if isinstance(code, str) else None,
            err_msg=self._own_words(text, context, model) if isinstance(text, str) else None,
            is_internal=self._is_internal,
            region=context.get("client_region") or "us-east-1",  # LocalStack's own fallback.
            user_agent=attempt.user_agent,
        )

    def _own_words(self, text: str, context: _Foreign, model: _Foreign) -> str | None:
        """Take the call's own words out of an error's text; None if that fails."""
        with suppress(Exception):
            return without_parameters(text, context[self._params_key], model.input_shape)
        return None

    def _own_code(self, code: str, context: _Foreign, model: _Foreign) -> str:
        """Keep an error's code if it is AWS's own, or at least repeats nothing of the call."""
        with suppress(Exception):
            is_of_aws = any(code in (each.name, each.error_code) for each in model.error_shapes)
            params = context[self._params_key]
            if is_of_aws or not repeats_parameters(code, params, model.input_shape):
                return code
        return OTHER


@dataclass(slots=True)
class _Attempt:
    """What one attempt of a call tells, until the call ends."""

    user_agent: str
    model: _Foreign = None
    status_code: int | None = None


def _emitter_of(target: object) -> _Foreign:
    """Find botocore's event emitter of a session, a client or a resource."""
    ask = getattr(target, "get_component", None)
    if callable(ask) and not isinstance(target, type):
        found = ask("event_emitter")
    else:
        meta = getattr(target, "meta", None)
        meta = getattr(getattr(meta, "client", None), "meta", meta)
        found = getattr(target if meta is None else meta, "events", None)
    if all(hasattr(found, name) for name in ("register_first", "register_last", "unregister")):
        return found
    raise NotAttachableError(target.__name__ if isinstance(target, type) else type(target).__name__)


def _checked(host: str) -> str:
    """Return the name of an emulator's host in small letters.

    Raises:
        InvalidValueError: it is not a name alone, or belongs to AWS.
    """
    name = host.lower()
    if not _HOST.fullmatch(name) or _is_one_of(name, _AWS_HOSTS):
        wanted = "use its name alone; a host of AWS cannot be an emulator"
        raise InvalidValueError("host of an emulator", host, wanted=wanted)
    return name


def _is_emulator(url: str, emulators: tuple[str, ...]) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    is_named = _is_one_of(host, emulators) or endpoint.is_loopback(url)
    return is_named and not _is_one_of(host, _AWS_HOSTS)


def _is_one_of(host: str, names: tuple[str, ...]) -> bool:
    """True if a host is one of these, or below one of them."""
    return any(host == name or host.endswith(f".{name}") for name in names)


def without_parameters(text: str, params: object, shape: _Foreign) -> str | None:
    """Replace every part of a text that repeats a word of the parameters by a placeholder.

    Case does not matter, and one word is enough: `[my-queue],` goes as a whole if a
    parameter holds `queue`. None: the parameters are too long to be sure. After 4096
    characters the text is cut, before the word that would be cut in two.

    Args:
        text: what the emulator says about the error.
        params: what the call was made with.
        shape: botocore's description of them, which tells the keys of a map, which the caller
            chose, from the names of members; None: the caller chose all keys.
    """
    found = _words_of(params, shape)
    if found is None:
        return None
    said = {word for words in found for word in words}
    parts = re.split(r"(\s+)", text[:_MOST_TEXT])
    if len(text) > _MOST_TEXT:
        parts.pop()  # Half a name would not be found among the parameters.
    return "".join(
        part if said.isdisjoint(_WORD.findall(part.casefold())) else "<name>" for part in parts
    )


def repeats_parameters(code: str, params: object, shape: _Foreign) -> bool:
    """True if the code of an error repeats a value of the parameters, or might.

    `AcmeSecretProject` repeats `acme-secret-project`, and so does a code that contains it; a
    short value counts only as a word of its own.
    """
    found = _words_of(params, shape)
    if found is None:
        return True
    words = _WORD.findall(code.casefold())
    joined = "".join(words)
    return any(
        value == joined or (len(value) >= _LONG and value in joined) or not said.isdisjoint(words)
        for value, said in (("".join(each), set(each)) for each in found)
    )


def _words_of(params: object, shape: _Foreign) -> list[list[str]] | None:
    """List the words of each value, in small letters; None when there is too much to read."""
    found, left = [], MOST_CHARACTERS
    for value in _values(params, shape):
        left -= len(value)
        if left < 0:
            return None
        found.append(_WORD.findall(value.casefold()))
    return found


def _values(value: object, shape: _Foreign) -> Iterator[str]:
    """Yield everything that the caller chose, as text."""
    if isinstance(value, dict):
        members = getattr(shape, "members", None)
        inner = getattr(shape, "value", None)
        for key, each in value.items():
            if members is None or key not in members:
                yield str(key)
            yield from _values(each, (members or {}).get(key, inner))
    elif isinstance(value, (list, tuple, set)):
        for each in value:
            yield from _values(each, getattr(shape, "member", None))
    elif isinstance(value, (bytes, bytearray)):
        yield bytes(value[: MOST_CHARACTERS + 1]).decode("utf-8", "replace")
    elif isinstance(value, (str, int, float)) and not _is_of_aws(value, shape):
        yield str(value)


def _is_of_aws(value: object, shape: _Foreign) -> bool:
    """True if AWS chose the word: a name of a list, or true and false."""
    return isinstance(value, bool) or value in getattr(shape, "enum", ())
