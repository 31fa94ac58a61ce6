"""Schema changes as plain SQL, applied in the order of their names."""
