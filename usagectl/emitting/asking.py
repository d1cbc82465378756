"""The question whether a program may send, of those whose author has their users asked first.

It is asked once, on a terminal, when a command has ended; never in CI, a pipe or a test. No
answer is a No, and so is a question that was cut off.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from usagectl.emitting import permission, remarks
from usagectl.endpoint import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from usagectl.consent import Consent
    from usagectl.emitting.permission import Emitter
    from usagectl.machine.environment import Environment

ASKED = "asked"
"""What is noted among the remarks once the question was put."""


def ask_once(
    environment: Environment, emitter: Emitter, ask: Callable[[str], str] | None = None
) -> None:
    """Ask whether a program may send, unless that was asked or somebody has decided; never raises.

    Args:
        environment: what the program runs on.
        emitter: what it says about itself.
        ask: shows a question and returns what was typed; None: the terminal, where a person is.
    """
    ask = ask or _asker()
    if ask is None or emitter.terms.default != "ask":
        return
    with suppress(Exception, KeyboardInterrupt):
        verdict = permission.verdict_of(environment, emitter)
        if not verdict.asks or not remarks.claim(environment, emitter.name, [ASKED]):
            return
        answer = ""
        with suppress(EOFError, KeyboardInterrupt):
            answer = ask(_question(emitter, verdict))
        is_yes = answer.strip().lower() in ("y", "yes")
        permission.decide(environment, emitter, "on" if is_yes else "off")


def _question(emitter: Emitter, verdict: Consent) -> str:
    see, end = remarks.ways(emitter)
    told = [
        f"May {emitter.name} record {remarks.told_of(emitter)}, "
        f"and send that to {origin_of(verdict.endpoint)}?",
        emitter.terms.told,
        f"To see it later: {see}. To turn it off: {end}.",
        "[y/N] ",
    ]
    return " ".join(filter(None, told))


def _asker() -> Callable[[str], str] | None:
    """Return what asks a person on the terminal; None unless one reads and can type."""
    if remarks.teller() is None or not remarks.is_terminal(sys.stdin):
        return None

    def ask(question: str) -> str:
        sys.stderr.write(question)
        sys.stderr.flush()
        typed = sys.stdin.readline()
        if not typed.endswith("\n"):
            sys.stderr.write("\n")
        return typed

    return ask
