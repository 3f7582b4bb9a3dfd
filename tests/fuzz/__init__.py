"""Bounded, seeded fuzzing of every door: `make fuzz`, or `python -m tests.fuzz text --count 20000 --seed 1`."""
