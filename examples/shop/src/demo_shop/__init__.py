"""Brise & Fils, an invented kite shop that is paid by bank and knows of paying only through the kit."""

from opengiro_kit.powens import Credentials

from demo_shop.app import build, read_credentials

__all__ = ["Credentials", "build", "read_credentials"]
