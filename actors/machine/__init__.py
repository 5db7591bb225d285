"""The machine that a process runs on: what of it the process may use, and who goes first on its cores."""
