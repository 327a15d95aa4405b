"""``python -m facegrab``."""

import sys

from facegrab.cli import main

if __name__ == "__main__":
    sys.exit(main())
