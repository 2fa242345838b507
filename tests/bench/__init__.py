"""Benchmarks against peers and floors of the same run; never timed tests. `make bench NAME=...` runs one."""
