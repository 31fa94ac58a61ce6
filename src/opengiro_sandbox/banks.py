"""The banks that play in the sandbox, as plain data: what each one offers and how it misbehaves.

Nothing else in the package names a bank. A new habit is a new field here and one reader of it. All names,
bank codes and BICs are invented.
"""

from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo

SCT = "sepa-credit-transfers"
INSTANT = "instant-sepa-credit-transfers"


@dataclass(frozen=True, slots=True)
class Account:
    """A payer's account: `opening` is in cents, before anything paid here left it."""

    iban: str
    label: str
    opening: int
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Bank:
    """One bank: its identity, what it offers, and its habits."""

    code: str
    name: str
    legal_name: str
    country: str
    bic: str
    bank_code: str
    zone: str
    colour: str
    mark: str
    accounts: tuple[Account, ...]
    aliases: tuple[str, ...] = ()
    approach: str = "REDIRECT"
    products: tuple[str, ...] = (SCT, INSTANT)
    debtor_iban: str = "optional"
    deferred: bool = True
    periodic: bool = False
    stops_at_once: bool = False
    cancellation: bool = True
    final_status: bool = True
    explicit_start: bool = False
    relative_links: bool = False
    answer_delay_s: float = 0
    initiation_hang_s: float = 0
    health: str = "healthy"

    def timezone(self) -> ZoneInfo:
        """Return the zone whose calendar and clock this bank works by."""
        return ZoneInfo(self.zone)

    def iban_prefixes(self) -> list[str]:
        """Return the beginnings, up to the bank code, that the demo accounts' IBANs have."""
        return sorted({a.iban[: a.iban.index(self.bank_code, 4) + len(self.bank_code)] for a in self.accounts})


def _accounts(everyday: str, nearly_empty: str, blocked: str) -> tuple[Account, ...]:
    return (
        Account(everyday, "everyday", 12_480_55),
        Account(nearly_empty, "nearly_empty", 3_42),
        Account(blocked, "blocked", 2_150_00, blocked=True),
    )


BANKS: tuple[Bank, ...] = (
    Bank(
        code="horizon",
        name="Horizon Bleu",
        legal_name="Banque Horizon Bleu S.A.",
        country="FR",
        bic="HORBFRPP",
        bank_code="40973",
        zone="Europe/Paris",
        colour="#0b4f8a",
        mark="M4 26h32M8 20a12 12 0 0 1 24 0M20 4v4M7 9l3 3M33 9l-3 3",
        aliases=("horizon", "banque horizon"),
        periodic=True,
        accounts=_accounts("FR7640973001120142867615736", "FR7640973001120142878088632", "FR7640973001120142888561528"),
    ),
    Bank(
        code="mercure",
        name="Crédit Mercure",
        legal_name="Crédit Mercure S.A.",
        country="FR",
        bic="MERCFRPX",
        bank_code="40982",
        zone="Europe/Paris",
        colour="#5b2a91",
        mark="M20 14a8 8 0 1 0 .1 0M20 30v8M15 34h10M12 4a8 8 0 0 0 16 0",
        aliases=("mercure", "credit mercure"),
        approach="DECOUPLED",
        deferred=False,
        cancellation=False,
        accounts=_accounts("FR7640982002040142867615786", "FR7640982002040142878088682", "FR7640982002040142888561578"),
    ),
    Bank(
        code="brume",
        name="Banque de la Brume",
        legal_name="Banque de la Brume S.C.",
        country="FR",
        bic="BRUMFRPB",
        bank_code="40991",
        zone="Europe/Paris",
        colour="#3f5264",
        mark="M6 12h28M10 20h20M4 28h24M32 28h4",
        aliases=("brume",),
        cancellation=False,
        final_status=False,
        periodic=True,
        accounts=_accounts("FR7640991003100142867615723", "FR7640991003100142878088619", "FR7640991003100142888561515"),
    ),
    Bank(
        code="orage",
        name="Orage Banque",
        legal_name="Orage Banque S.A.",
        country="FR",
        bic="ORAGFRLY",
        bank_code="40996",
        zone="Europe/Paris",
        colour="#8a1c3a",
        mark="M22 4L10 22h9l-3 14 14-20h-9z",
        aliases=("orage",),
        health="down",
        accounts=_accounts("FR7640996004180142867615792", "FR7640996004180142878088688", "FR7640996004180142888561584"),
    ),
    Bank(
        code="nordlicht",
        name="Nordlicht Bank",
        legal_name="Nordlicht Bank eG",
        country="DE",
        bic="NOLIDEHH",
        bank_code="20099500",
        zone="Europe/Berlin",
        colour="#0b5d4e",
        mark="M6 34c2-10 4-20 4-28M16 34c2-8 4-14 4-22M26 34c2-10 6-16 6-28",
        aliases=("nordlicht",),
        debtor_iban="required",
        periodic=True,
        accounts=_accounts("DE77200995000142961871", "DE77200995000153120584", "DE77200995000163279297"),
    ),
    Bank(
        code="zwin",
        name="Zwin Bank",
        legal_name="Zwin Bank NV",
        country="BE",
        bic="ZWINBEBB",
        bank_code="999",
        zone="Europe/Brussels",
        colour="#8a4b08",
        mark="M6 16c5-6 9-6 14 0s9 6 14 0M6 27c5-6 9-6 14 0s9 6 14 0",
        aliases=("zwin",),
        relative_links=True,
        periodic=True,
        stops_at_once=True,
        accounts=_accounts("BE45999014387089", "BE45999024213189", "BE45999034039289"),
    ),
    Bank(
        code="polder",
        name="Polderbank",
        legal_name="Polderbank N.V.",
        country="NL",
        bic="POLDNL2A",
        bank_code="POLD",
        zone="Europe/Amsterdam",
        colour="#a83a06",
        mark="M20 20L8 8M20 20L32 8M20 20L8 32M20 20l12 12M20 20v17",
        aliases=("polder",),
        products=(SCT,),
        accounts=_accounts("NL64POLD0142961871", "NL64POLD0153120584", "NL64POLD0163279297"),
    ),
    Bank(
        code="sol",
        name="Banco Girasol",
        legal_name="Banco Girasol S.A.",
        country="ES",
        bic="GIRSESMM",
        bank_code="0998",
        zone="Europe/Madrid",
        colour="#a01d1d",
        mark="M20 13a7 7 0 1 0 .1 0M20 4v4M20 32v4M4 20h4M32 20h4M9 9l3 3M28 28l3 3M31 9l-3 3M12 28l-3 3",
        aliases=("sol", "girasol"),
        initiation_hang_s=30,
        accounts=_accounts("ES2209980107700142961871", "ES2209980107700153120584", "ES2209980107760165583335"),
    ),
    Bank(
        code="laguna",
        name="Banca Laguna",
        legal_name="Banca Laguna S.p.A.",
        country="IT",
        bic="LAGUITVE",
        bank_code="03998",
        zone="Europe/Rome",
        colour="#0e6070",
        mark="M6 30c4-3 7-3 10 0s7 3 10 0 6-3 8 0M20 24V6l10 14H20",
        aliases=("laguna",),
        explicit_start=True,
        periodic=True,
        accounts=_accounts("IT73T0399802008014285819014", "IT73H0399802008014289065613", "IT73J0399802008014290217632"),
    ),
    Bank(
        code="escargot",
        name="Banque Escargot",
        legal_name="Banque Escargot S.A.",
        country="LU",
        bic="ESCGLULL",
        bank_code="098",
        zone="Europe/Luxembourg",
        colour="#4a661d",
        mark="M6 32h26a4 4 0 0 0 4-4V16M30 28a10 10 0 1 0-20 0 6 6 0 0 0 12 0 3 3 0 0 0-5-2",
        aliases=("escargot",),
        answer_delay_s=2.5,
        accounts=_accounts("LU620980142857247586", "LU620980142867406299", "LU620980142877565012"),
    ),
)

BY_CODE = {bank.code: bank for bank in BANKS}

# The same data without our types, for whoever fills a directory of banks without speaking HTTP to us.
ROSTER: tuple[dict[str, object], ...] = tuple(asdict(bank) for bank in BANKS)


def entry(bank: Bank, base_url: str, health: str) -> dict[str, object]:
    """Return the directory entry that a payment server lists this bank by."""
    return {
        "code": bank.code,
        "name": bank.name,
        "legal_name": bank.legal_name,
        "country": bank.country,
        "bic": bank.bic,
        "aliases": list(bank.aliases),
        "base_url": f"{base_url}/{bank.code}",
        "logo_url": f"{base_url}/{bank.code}/logo.svg",
        "approach": bank.approach,
        "payment_products": list(bank.products),
        "debtor_iban": bank.debtor_iban,
        "final_status": bank.final_status,
        "cancellation": bank.cancellation,
        "deferred": bank.deferred,
        "periodic": bank.periodic,
        "health": health,
        "colour": bank.colour,
        "iban_prefixes": bank.iban_prefixes(),
    }
