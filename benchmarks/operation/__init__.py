"""What operating a server costs its calls."""
