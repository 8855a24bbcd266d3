"""The command line: `python -m benchmarks [SECTION ...]`."""

from __future__ import annotations

import sys

from benchmarks.command import main

if __name__ == "__main__":
    sys.exit(main())
