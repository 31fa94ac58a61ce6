"""Tests of the checkout inside a shop's page."""
