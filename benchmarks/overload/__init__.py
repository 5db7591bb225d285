"""Many more callers than the server can hold: who is served, who is refused and how, and who notices."""
