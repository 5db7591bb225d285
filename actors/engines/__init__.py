"""Speech engines: one file each behind the two small base classes of `actors.engines.base`.

A heavy library is imported inside its engine's file and nowhere else, and that file is imported only
in the worker that runs it, by name, through `actors.engines.registry`.
"""
