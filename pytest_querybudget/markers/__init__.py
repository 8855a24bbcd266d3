"""Budgets into the source: `--querybudget-write-markers`."""
