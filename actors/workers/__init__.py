"""The plain workers around an engine, and the thread that runs one. Used by `local` and `cluster`."""
