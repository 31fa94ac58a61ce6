"""Named SQL statements, one file a noun."""
