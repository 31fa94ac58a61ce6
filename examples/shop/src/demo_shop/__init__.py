"""Brise & Fils, an invented kite shop that is paid by bank and knows of paying only through the kit."""

from demo_shop.app import build

__all__ = ["build"]
