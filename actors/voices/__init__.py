"""Voices that are files on this machine: where they are, which there are, how they get here."""
