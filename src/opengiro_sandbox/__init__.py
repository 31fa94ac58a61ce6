"""Sandbox banks: independent banks that speak open standards over real HTTP, for laptops and tests."""
