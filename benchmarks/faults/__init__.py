"""What goes wrong around a server, done to a real one, and what its callers notice. See `__main__.py`."""
