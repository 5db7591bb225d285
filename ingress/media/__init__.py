"""The media worker: sockets, audio clock, hearing and the call itself. No Ray, no big model, nothing slow.

Meets the gateway in `link` alone; used by `server`, which starts the process.
"""
