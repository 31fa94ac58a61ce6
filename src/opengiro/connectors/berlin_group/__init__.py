"""Banks that speak Berlin Group NextGenPSD2 1.3: single payments and standing orders, by redirection or app."""

from opengiro.connectors.berlin_group.client import scrub
from opengiro.connectors.berlin_group.heard import HEARD
from opengiro.connectors.berlin_group.slots import answer_fields, cancel, initiate, observe
from opengiro.domain.banks import Connector

CONNECTOR = Connector(
    name="berlin_group",
    initiate=initiate,
    observe=observe,
    heard=HEARD,
    answer=answer_fields,
    cancel=cancel,
    scrub=scrub,
)
