"""The `webhook` dialog: events as JSON to an address of yours, actions back (docs/webhook.md)."""
