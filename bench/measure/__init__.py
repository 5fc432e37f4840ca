"""What bench/run measures, one module a subject. Python's standard library only."""
