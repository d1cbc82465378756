"""Own how texts that come from errors and clients are scrubbed: what is no ordinary word goes.

Detectors name what they find (`<arn>`, `<path>`); beyond them only what looks like an
ordinary word stays, so that a form nobody thought of goes as well. A name that is an
ordinary word itself is found by where it stands: in quotes, after `Table:` or `name=`,
in `user alice does not exist`. Anywhere else it cannot be told from a word.
"""

from __future__ import annotations

from usagectl.events.scrubbing.agents import clean_user_agent
from usagectl.events.scrubbing.sentences import scrub
from usagectl.events.scrubbing.traces import scrub_trace

__all__ = ["clean_user_agent", "scrub", "scrub_trace"]
