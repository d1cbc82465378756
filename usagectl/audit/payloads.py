"""Own what the payload of an event says as a whole: a status and its texts, a command's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.audit.checks import CLI

if TYPE_CHECKING:
    from usagectl.audit.context import Context
    from usagectl.audit.findings import Ledger

_LSTK = "lstk_command"
_CALL = "aws_request"
_CLIENT_ERROR, _SERVER_ERROR, _INTERNAL = 400, 500, 500
_MOST_COMMANDS = 4096
_LONGEST_COMMAND = 200


class Payloads:
    """Look at payloads one after another; what it keeps of them is bounded."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        self._ledger = ledger
        self._commands: set[str] = set()
        self._has_words = any(rule == "UC401" and texts for rule, texts in context.values)

    def check(self, event: str, payload: object) -> None:
        """Look at the payload of an event of that name."""
        if event == CLI:
            self._note_command(payload, "cmd")
        elif event == _CALL:
            self._check_status(payload)
        elif event == _LSTK:
            self._note_command(payload, "parameters", "command")

    def words_of_commands(self) -> set[str]:
        """Give the words of commands' names: one of them that was typed is no parameter's value."""
        return {word for command in self._commands for word in command.split()}

    def _note_command(self, payload: object, *path: str) -> None:
        if not self._has_words or len(self._commands) >= _MOST_COMMANDS:
            return
        found = payload
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            self._commands.add(found[:_LONGEST_COMMAND])

    def _check_status(self, payload: object) -> None:
        """Look for error texts with a status that the notice does not allow them with."""
        if type(payload) is not dict:
            return
        status = payload.get("status_code")
        if "err_type" in payload or "err_msg" in payload:
            is_allowed = isinstance(status, int) and _CLIENT_ERROR <= status < _SERVER_ERROR
            for key in () if is_allowed else ("err_type", "err_msg"):
                if payload.get(key):
                    self._ledger.add("UC306", _CALL, f"/payload/{key}", payload[key])
        if payload.get("stack_trace") and status != _INTERNAL:
            trace = payload["stack_trace"]
            self._ledger.add("UC305", _CALL, "/payload/stack_trace", trace)
