"""The merchant's kit, against real HTTP and real SQLite."""
