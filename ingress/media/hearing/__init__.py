"""What the caller does: frames of audio in; speaking, paused, finished out. Used by `media`."""
