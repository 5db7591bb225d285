"""What can be asked of the door, one noun in a file."""
