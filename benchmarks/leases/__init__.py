"""Leases on Ray: what one costs, and whether waiting for one is short. See `__main__.py`."""
