"""What is heard of recorded and synthesised speech, on good lines and bad ones."""
