"""`python -m pytest_querybudget.cli`, where the command is not on the path."""

from __future__ import annotations

import sys

from pytest_querybudget.cli import main

sys.exit(main())
