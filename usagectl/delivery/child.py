"""Own the detached child that sends: it gives way, sends, and ends in time.

It is started with nothing but this module's name, a second after the command
that it comes after.
"""

from __future__ import annotations

import os
import threading
import time

LIFETIME_SECONDS = 9.0
"""With the second that it is started late, ten in all."""


def main() -> None:
    """Send once; after nine seconds it ends, whatever happens."""
    end = threading.Timer(LIFETIME_SECONDS, os._exit, args=(0,))
    end.daemon = True
    end.start()
    if hasattr(os, "nice"):
        os.nice(10)
    if os.name == "nt":  # No shell slept before.
        time.sleep(1)

    from usagectl.delivery import sender
    from usagectl.errors import UsagectlError
    from usagectl.machine import environment

    try:
        sender.send(environment.from_process())
    except (UsagectlError, OSError):  # Nobody is there to be told; status tells.
        os._exit(1)
    os._exit(0)  # A request that hangs in a name lookup must not hold the process.


if __name__ == "__main__":
    main()
