"""Banks that speak Berlin Group NextGenPSD2 1.3: single SEPA payments, by redirection or in the bank's app."""

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
