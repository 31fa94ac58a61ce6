"""The `opengiro` command: one module a subcommand."""
