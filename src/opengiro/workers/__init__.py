"""Loops that claim rows and call use cases, and what they need to reach the outside world safely."""
