"""The payer's pages, in real browsers."""
