"""Recording of calls: both sides on one timeline, written by a thread that no call waits for."""
