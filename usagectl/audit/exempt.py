"""Own where rules do not hold: the notice says that a field holds it, or another rule says more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTEAD: Mapping[tuple[str, str], str] = {
    ("cli_cmd", "/metadata/session_id"): "UC201",
    ("run_init", "/metadata/session_id"): "UC203",
    ("ls_metrics", "/metadata/session_id"): "UC203",
    ("aws_request_agg", "/payload/api_calls/*/err_type"): "UC304",
}
"""Undocumented fields that a rule of their own tells more about than `undocumented-field`."""

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
    ("aws_request", "/payload/err_msg"): ("UC306",),
    ("aws_request", "/payload/stack_trace"): ("UC305", "UC306", "UC405"),
    ("aws_request_agg", "/payload/api_calls/*/service"): _TYPED,
    ("aws_request_agg", "/payload/api_calls/*/operation"): _TYPED,
}
"""Rules that do not hold in a field, because the notice says that it holds such a thing."""
