"""Whole runs with a lock file."""
