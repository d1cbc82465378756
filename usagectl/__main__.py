"""Own the entry point: `usagectl` and `python -m usagectl`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its status."""
    from usagectl.cli import run  # an interrupt during imports is caught there

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
