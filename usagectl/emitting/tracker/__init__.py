"""Own the emitting library: a session, API calls, feature usage, under the user's consent.

`tracker` is what a program holds, `lifecycle` the thread, the end of the process and
forks, `recorder` one session, `counts` what is counted, `session` who records, `lines`
the bytes that stay the same.
"""

from __future__ import annotations

from usagectl.emitting.tracker.tracker import PERIOD, Tracker

__all__ = ["PERIOD", "Tracker"]
