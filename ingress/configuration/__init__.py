"""What the operator sets: settings, how they are read and checked, and the extensions they describe."""
