"""What the shop sells. Prices are integers in the minor unit of the one currency it knows."""

from collections.abc import Mapping
from dataclasses import dataclass

CURRENCY = "EUR"
MINOR_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Words:
    """A text in each language the shop speaks."""

    en: str
    fr: str

    def said_in(self, lang: str) -> str:
        """Return the text in this language."""
        return self.fr if lang == "fr" else self.en


@dataclass(frozen=True, slots=True)
class Product:
    """A thing on the shelf; `code` also names its drawing."""

    code: str
    price_minor: int
    name: Words
    line: Words


SHELF = (
    Product(
        "losange",
        2450,
        Words("Losange", "Losange"),
        Words("The kite a child draws. Ripstop, ash spars, six bows.", "Le cerf-volant qu’on dessine enfant."),
    ),
    Product(
        "goeland",
        3800,
        Words("Goéland", "Goéland"),
        Words("A wide delta that hangs on a sigh of wind.", "Une aile large qui tient sur un souffle."),
    ),
    Product(
        "sardine",
        1900,
        Words("Sardine", "Sardine"),
        Words("A windsock for balconies, boats and gardens.", "Une manche à air pour balcon ou bateau."),
    ),
    Product(
        "rokkaku",
        6400,
        Words("Rokkaku", "Rokkaku"),
        Words("Six corners and a rising sun, after Sanjō.", "Six pointes et un soleil, comme à Sanjō."),
    ),
    Product(
        "boite",
        7900,
        Words("Grande Boîte", "Grande Boîte"),
        Words("A box kite that once carried weather stations.", "Elle portait jadis les stations météo."),
    ),
    Product(
        "arc",
        12900,
        Words("Arc du Soir", "Arc du Soir"),
        Words("A parafoil with nothing to break, for strong arms.", "Un parafoil sans armature, pour bras solides."),
    ),
    Product(
        "ligne",
        990,
        Words("Fil de lin, 60 m", "Fil de lin, 60 m"),
        Words("Linen line on a turned beech reel.", "Fil de lin sur dévidoir en hêtre."),
    ),
    Product(
        "carte",
        290,
        Words("Wind card", "Carte des vents"),
        Words("Know your Beaufort: printed in two colours.", "Votre Beaufort, imprimé en deux couleurs."),
    ),
)

PRODUCTS: Mapping[str, Product] = {product.code: product for product in SHELF}


def price_text(minor: int, lang: str) -> str:
    """Write an amount the way this language writes euros."""
    whole, cents = divmod(minor, 10**MINOR_DIGITS)
    if lang == "fr":
        return f"{whole:,}".replace(",", "\u202f") + f",{cents:02d}\u00a0€"
    return f"€{whole:,}.{cents:02d}"
