"""Reads the stacks of threads and tasks: where something is sent from, who waits meanwhile, and who has started it."""
