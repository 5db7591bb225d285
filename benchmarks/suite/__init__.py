"""All benchmarks one after the other, compared with what is kept: `python -m benchmarks`."""
