"""The facts of one test, aggregated so that a million statements fit."""
