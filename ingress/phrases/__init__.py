"""Text to audio, made once: synthesis shared, kept in memory and on disk. Used by gateway and media
worker."""
