"""Benchmarks of the service; `make bench` runs them and writes reports under reports/bench."""
