"""The media path under load: four servers, the same callers, one core each side. See `__main__.py`."""
