"""Conversations as callers meet them: how soon they are answered, how they interrupt, how they end."""
