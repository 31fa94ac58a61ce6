"""The demo shop, over real HTTP."""
