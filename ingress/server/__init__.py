"""`raymal serve` around its processes: supervisor, ports, folders, logs; and how to ask a running server."""
