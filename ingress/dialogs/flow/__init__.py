"""Conversations that a YAML file describes (docs/flows.md)."""
