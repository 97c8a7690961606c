"""The program: `livestyle`, or `python -m livestyle`."""

from __future__ import annotations

import sys


def main() -> None:
    """Loads the command line and runs it. Ctrl-C ends the loading as it ends the rest."""
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
