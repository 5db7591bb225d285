"""Recordings and transcripts of calls as files: how they are named, listed, and deleted."""
