"""Rules of an audit as data: what each is called, how bad it is, what it rests on, where it holds.

Adding a rule is adding a `Rule` here, and the code that finds it: in `checks` what stands
in a field, in `search` what a text looks like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Level = Literal["error", "warning", "note"]

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""Worst first."""


class Rule(NamedTuple):
    """One rule."""

    id: str  # Stable; scripts and baselines rely on it.
    name: str  # The same in words.
    title: str  # One sentence: what a finding says.
    explanation: str  # Why it matters, and what does not count.
    # Whose sentence of the notice: the ID of a promise or departure, or `field` for the field's.
    rests_on: str
    known: tuple[str, ...] = ()  # Departures that explain a finding, most telling first.
    advice: str = "usagectl disable"
    level: Level = "error"  # Of a finding that no known departure explains.


_EXPLAIN = "usagectl explain"
_ROTATE = "replace the credential, then: usagectl disable"

RULES: tuple[Rule, ...] = (
    Rule(
        "UC101",
        "undocumented-event",
        "The notice names no such event.",
        "Every event that is sent should be one that the notice describes.",
        "D09",
        known=("D09", "D27"),
        advice=_EXPLAIN,
    ),
    Rule(
        "UC102",
        "undocumented-field",
        "The notice names no such field in this event.",
        "An event holds what the notice says, and nothing besides. What stands below an "
        "undocumented field is not counted again.",
        "field",
        known=("D06", "D07", "D20", "D21", "D24", "D30", "D10", "D01"),
        advice=_EXPLAIN,
    ),
    Rule(
        "UC103",
        "wrong-type",
        "The value is of another type than the notice says.",
        "A field of another type can hold what nobody agreed to, such as an object in the place "
        "of a word.",
        "field",
        known=("D25",),
        advice=_EXPLAIN,
    ),
    Rule(
        "UC104",
        "missing-field",
        "A field that the notice describes is missing.",
        "It takes nothing away from anybody's privacy, but the event is not what was described. "
        "Fields that the notice makes conditional may be absent.",
        "field",
        advice=_EXPLAIN,
        level="warning",
    ),
    Rule(
        "UC105",
        "wrong-format",
        "The value is written in another form than the notice shows.",
        "Times, IDs, account numbers and statuses have a form; another one may hide other content.",
        "field",
        known=("D25", "D08", "D18"),
        advice=_EXPLAIN,
        level="warning",
    ),
    Rule(
        "UC106",
        "malformed-event",
        "What was sent as an event has no name.",
        "Its content was searched for secrets all the same.",
        "D09",
        advice=_EXPLAIN,
    ),
    Rule(
        "UC107",
        "unparsed-body",
        "A request had a body that is not JSON.",
        "What was sent cannot be compared with the notice. Its text was searched for secrets.",
        "D09",
    ),
    Rule(
        "UC108",
        "repeated-name",
        "A name stands twice in one object.",
        "Every reader keeps the last of them alone, so what stood before is sent and hidden. It "
        "was searched all the same.",
        "D09",
    ),
    Rule(
        "UC201",
        "session-linked-cli",
        "The CLI event names the session it belongs to.",
        "By the notice it cannot be told which session or token a CLI event belongs to. A session"
        " ID in its metadata or in a header of its request tells it.",
        "D01",
        known=("D01",),
    ),
    Rule(
        "UC202",
        "shared-id",
        "The CLI event and other events carry the same ID.",
        "An ID that stands in a CLI event and in any other event ties the two together. IDs are "
        "remembered up to a bound.",
        "D01",
        known=("D01",),
    ),
    Rule(
        "UC203",
        "session-linked-feature",
        "Feature usage names the session it belongs to.",
        "The session leads to the machine ID and the token, so this is not anonymous.",
        "D10",
        known=("D10",),
    ),
    Rule(
        "UC301",
        "configuration-value",
        "The value of a setting is sent.",
        "Names of settings do not count, nor settings that are not set.",
        "configuration-values",
        known=("D02", "D26", "D09", "D27"),
    ),
    Rule(
        "UC302",
        "token-in-clear",
        "A token stands in the event, whole and readable.",
        "The session's own field for the token is documented and does not count.",
        "request-secrets",
        known=("D28",),
        advice=_ROTATE,
    ),
    Rule(
        "UC303",
        "derived-machine-id",
        "The machine ID is computed from the machine, not drawn at random.",
        "IDs that begin with dkr_ or sys_, and what this machine's own ID leads to. A derived ID "
        "comes back after it was deleted.",
        "D03",
        known=("D03",),
        advice="usagectl reset-machine-id",
    ),
    Rule(
        "UC304",
        "error-type-counted",
        "Counted API calls hold the type of the error.",
        "For the community image the notice names service, operation, status and count alone.",
        "D06",
        known=("D06",),
    ),
    Rule(
        "UC305",
        "stack-trace",
        "A stack trace is sent outside the documented case.",
        "The notice allows one with status 500 of an API call. A trace holds paths and may hold "
        "names of resources.",
        "call-parameters",
        known=("D11", "D29"),
    ),
    Rule(
        "UC306",
        "free-text",
        "Free text is sent outside the documented case.",
        "The notice allows the text of an error with status 400 to 499 of an API call. Elsewhere "
        "sentences and error texts can repeat what the user typed or named.",
        "call-parameters",
        known=("D11", "D29"),
    ),
    Rule(
        "UC401",
        "parameter-value",
        "A value that was typed on the command line stands in the event.",
        "Looked for are words of four characters or more in the captured command, except options "
        "and names of sub-commands.",
        "parameter-values",
        known=("D31", "D29", "D26"),
    ),
    Rule(
        "UC402",
        "environment-secret",
        "A secret of this machine's environment stands in the event.",
        "Looked for are variables whose name speaks of a token, key, secret or password.",
        "request-secrets",
        known=("D28",),
        advice=_ROTATE,
    ),
    Rule(
        "UC403",
        "user-name",
        "The user's name stands in the event.",
        "Names that identify nobody, such as root, are not looked for.",
        "D10",
        known=("D26", "D11", "D29"),
    ),
    Rule(
        "UC404",
        "host-name",
        "The name of this machine stands in the event.",
        "Names that identify nothing, such as localhost, are not looked for.",
        "D10",
        known=("D26", "D11", "D29"),
    ),
    Rule(
        "UC405",
        "home-path",
        "A path into somebody's home stands in the event.",
        "It names the user, and what they work on.",
        "D10",
        known=("D26", "D11", "D29"),
    ),
    Rule(
        "UC406",
        "raw-machine-id",
        "The operating system's own machine ID stands in the event.",
        "It never changes, and every program on this machine can read it.",
        "D03",
    ),
    Rule(
        "UC501",
        "e-mail",
        "An e-mail address stands in the event.",
        "Addresses of reserved example domains do not count.",
        "D10",
    ),
    Rule(
        "UC502",
        "ip-address",
        "An IP address stands in the event.",
        "Addresses of the machine to itself, such as 127.0.0.1, do not count.",
        "D10",
        known=("D26", "D11", "D29"),
    ),
    Rule(
        "UC503",
        "cloud-key",
        "A cloud provider's key stands in the event.",
        "Found by the form that providers give their keys.",
        "request-secrets",
        advice=_ROTATE,
    ),
    Rule(
        "UC504",
        "token-shape",
        "Something that looks like a token or password stands in the event.",
        "Found by form: tokens of well-known services, web tokens, private keys, credentials in a"
        " URL or a signed URL.",
        "request-secrets",
        advice=_ROTATE,
    ),
    Rule(
        "UC505",
        "resource-name",
        "The name of an AWS resource stands in the event.",
        "Found by form: an ARN or the address of an S3 object.",
        "resource-names",
        known=("D11", "D29"),
    ),
)

BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}

INSTEAD: Mapping[tuple[str, str], str] = {
    ("cli_cmd", "/metadata/session_id"): "UC201",
    ("run_init", "/metadata/session_id"): "UC203",
    ("ls_metrics", "/metadata/session_id"): "UC203",
    ("aws_request_agg", "/payload/api_calls/*/err_type"): "UC304",
}
"""Undocumented fields that have a rule of their own in place of `undocumented-field`."""

_SECRETS = ("UC302", "UC401", "UC402", "UC503", "UC504")
_TYPED = ("UC401",)

EXEMPT: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("session", "/payload/api_key"): (*_SECRETS, "UC403", "UC404", "UC501", "UC505"),
    ("session", "/payload/version"): ("UC401", "UC502"),
    ("session", "/payload/system"): ("UC306", "UC401"),
    ("aws_request", "/payload/service"): _TYPED,
    ("aws_request", "/payload/operation"): _TYPED,
    ("aws_request", "/payload/region"): _TYPED,
    ("aws_request", "/payload/account_id"): _TYPED,
    ("aws_request", "/payload/user_agent"): ("UC306", "UC401", "UC502"),
    ("aws_request", "/payload/stack_trace"): ("UC305", "UC306", "UC405"),
    ("aws_request_agg", "/payload/api_calls/*/service"): _TYPED,
    ("aws_request_agg", "/payload/api_calls/*/operation"): _TYPED,
}
"""Rules that do not hold in a field, because the notice describes such a content."""


def find(name: str) -> Rule:
    """Return the rule of that ID or name.

    Raises:
        UnknownRuleError: no rule has that ID or name.
    """
    for rule in RULES:
        if name.strip().lower() in (rule.id.lower(), rule.name):
            return rule
    raise UnknownRuleError(name)


class UnknownRuleError(UsageError):
    """No rule has that ID or name."""

    code = "unknown-rule"

    def __init__(self, name: str) -> None:
        candidates = [word for rule in RULES for word in (rule.name, rule.id)]
        typed = name.strip()
        near = nearest(typed.upper(), candidates) or nearest(typed.lower(), candidates)
        guess = f" Did you mean {near}?" if near else ""
        message = f"{name!r} is not an audit rule.{guess}"
        super().__init__(message, hint="usagectl audit --list-rules")


def select(names: Iterable[str]) -> frozenset[str]:
    """Turn IDs and names of rules into IDs.

    Raises:
        UnknownRuleError: no rule has one of them.
    """
    return frozenset(find(name).id for name in names)
