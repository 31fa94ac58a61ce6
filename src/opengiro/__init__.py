"""OpenGiro: a self-hosted pay-by-bank server that speaks two published dialects and reaches banks by open standards."""

__version__ = "0.1.0"
