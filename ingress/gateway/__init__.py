"""The gateway process: the one Ray driver. Admission, turns, load signals and the records of calls.

Meets the media workers in `link` alone; used by `server`, which starts the process.
"""
