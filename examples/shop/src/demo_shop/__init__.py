"""Brise & Fils, an invented kite shop that is paid by bank and knows of paying only through the kit."""

from opengiro_kit.environment import Settings

from demo_shop.app import build, read_settings

__all__ = ["Settings", "build", "read_settings"]
