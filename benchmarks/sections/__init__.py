"""One file for each thing that is measured; each has `run(plan) -> Section`."""
