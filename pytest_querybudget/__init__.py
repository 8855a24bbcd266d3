"""Budgets for the SQL that a test sends."""
