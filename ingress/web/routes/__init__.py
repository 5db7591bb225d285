"""The HTTP interface, one subject in each file."""
