"""Tests of writing budgets into the source."""
