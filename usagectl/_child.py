"""Own the detached child that sends: it gathers, gives way, sends, and ends in time.

It is started with nothing but this module's name. First it sleeps, before
anything is loaded: commands of one script then share one request, and none of
them has to share the processor with it.
"""

from __future__ import annotations

import os
import time

LIFETIME_SECONDS = 10.0
GATHERING_SECONDS = 1.0


def main() -> None:
    """Send once; ten seconds after the start it ends, whatever happens."""
    if hasattr(os, "nice"):
        os.nice(10)
    time.sleep(GATHERING_SECONDS)
    import threading

    end = threading.Timer(LIFETIME_SECONDS - GATHERING_SECONDS, os._exit, args=(0,))
    end.daemon = True
    end.start()

    from usagectl import environment, sender
    from usagectl.errors import UsagectlError

    try:
        sender.send(environment.from_process())
    except (UsagectlError, OSError):  # Nobody is there to be told; status tells.
        os._exit(1)
    os._exit(0)  # A request that hangs in a name lookup must not hold the process.


if __name__ == "__main__":
    main()
