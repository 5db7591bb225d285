"""A caller for people without Asterisk, and what is measured at its end. Used by commands and benchmarks."""
