"""Stores and rate limits in memory: test doubles for tests and benchmarks only."""
