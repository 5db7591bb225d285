"""Measurements that print their own table, say what they ran on, and exit 1 when a target is missed."""
