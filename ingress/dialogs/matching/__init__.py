"""What a caller said against what is expected."""
