"""What recording costs: `python -m benchmarks` measures it next to the other recorders."""
