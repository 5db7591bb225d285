"""raymal beside what a user would run instead, on the same machine, audio and callers, in one run."""
