"""The application of the benchmarks: a few tables, and one function for each workload."""
