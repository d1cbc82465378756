"""What LocalStack does whatever its switches say: its traffic beside usage events, by version.

Facts, parts 3.12, 3.15 and 5; `seen` is a name that was asked for on the wire while events were
off, `read` is the published source alone.
"""

from __future__ import annotations

from usagectl.tools.base import Uncovered

NOT_COVERED = (
    Uncovered(
        "Licence activation: LocalStack posts the token and the machine ID to its licence API, "
        "whatever any switch says; the notice says so too.",
        ("api.localstack.cloud",),
    ),
    Uncovered(
        "A certificate: the runtime asks for one when it starts, with the account's token where it "
        "has one, and falls back to a public one. SKIP_SSL_CERT_DOWNLOAD=1 keeps it from that.",
        ("api.localstack.cloud", "assets.localstack.cloud"),
        "seen in 4.12.0",
    ),
    Uncovered(
        "The machine ID: `localstack start` makes machine.json, and mounts it into the container, "
        "also when events are off.",
    ),
    Uncovered(
        "A container that was not started by LocalStack's own command line, such as one of Docker "
        "Compose: it sees only the variables that its own configuration gives it.",
    ),
    Uncovered(
        "What is typed after `localstack start`, such as -e NAME=VALUE: it beats every variable.",
    ),
)
