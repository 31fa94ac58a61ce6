"""Every sentence a payer reads, in English and French, and how amounts and dates are written there."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency

LANGUAGES = ("en", "fr")

WORDS: Mapping[str, tuple[str, str]] = {
    "open_the_app": (
        "Open your bank's app on your phone and approve the payment there.",
        "Ouvrez l'application de votre banque sur votre téléphone et validez-y le paiement.",
    ),
    "AM04": ("Insufficient funds on the account.", "Provision insuffisante sur le compte."),
    "AC06": ("The account is blocked.", "Le compte est bloqué."),
    "DS02": ("The payer refused the payment.", "Le payeur a refusé le paiement."),
    "MS03": ("The payer did not answer in time.", "Le payeur n'a pas répondu à temps."),
    "secure": ("Secure connection", "Connexion sécurisée"),
    "sandbox_note": (
        "This is a sandbox bank. No real money moves.",
        "Cette banque est une simulation. Aucun argent réel ne circule.",
    ),
    "skip": ("Skip to content", "Aller au contenu"),
    "steps": ("Your progress", "Votre progression"),
    "sign_in": ("Sign in", "Connexion"),
    "sign_in_lead": (
        "A payment is waiting for your approval. Sign in to see it.",
        "Un paiement attend votre validation. Connectez-vous pour le consulter.",
    ),
    "user": ("Customer number", "Identifiant client"),
    "password": ("Password", "Mot de passe"),
    "user_hint": ("Any customer number works in the sandbox.", "N'importe quel identifiant convient ici."),
    "fill_both": ("Enter a customer number and a password.", "Saisissez un identifiant et un mot de passe."),
    "choose_account": ("Choose your account", "Choisissez votre compte"),
    "pay_from": ("Pay from", "Compte à débiter"),
    "continue": ("Continue", "Continuer"),
    "everyday": ("Current account", "Compte courant"),
    "nearly_empty": ("Joint account", "Compte joint"),
    "blocked": ("Savings account", "Compte d'épargne"),
    "other": ("Current account", "Compte courant"),
    "is_blocked": ("Blocked", "Bloqué"),
    "too_little": ("Insufficient funds", "Provision insuffisante"),
    "available": ("available", "disponibles"),
    "pick_one": ("Choose an account to continue.", "Choisissez un compte pour continuer."),
    "approve_payment": ("Approve the payment", "Validez le paiement"),
    "approve_cancellation": ("Approve the cancellation", "Validez l'annulation"),
    "approve_lead": ("Check every line before you approve.", "Vérifiez chaque ligne avant de valider."),
    "cancel_lead": (
        "If you approve, this transfer will not be executed.",
        "Si vous validez, ce virement ne sera pas exécuté.",
    ),
    "amount": ("Amount", "Montant"),
    "payee": ("Payee", "Bénéficiaire"),
    "payee_iban": ("Payee's IBAN", "IBAN du bénéficiaire"),
    "message": ("Message", "Motif"),
    "reference": ("Reference", "Référence"),
    "from_account": ("From your account", "Depuis votre compte"),
    "execution": ("Execution", "Exécution"),
    "at_once": ("At once", "Immédiate"),
    "kind": ("Type", "Type"),
    "instant": ("Instant transfer", "Virement instantané"),
    "standard": ("SEPA transfer", "Virement SEPA"),
    "standing": ("Standing order", "Virement permanent"),
    "repeated": ("{often} from {day}{until}", "{often} à partir du {day}{until}"),
    "until": (" until {day}", " jusqu'au {day}"),
    "Daily": ("Daily", "Chaque jour"),
    "Weekly": ("Weekly", "Chaque semaine"),
    "EveryTwoWeeks": ("Every two weeks", "Toutes les deux semaines"),
    "Monthly": ("Monthly", "Chaque mois"),
    "EveryTwoMonths": ("Every two months", "Tous les deux mois"),
    "Quarterly": ("Quarterly", "Chaque trimestre"),
    "SemiAnnual": ("Every six months", "Chaque semestre"),
    "Annual": ("Yearly", "Chaque année"),
    "MonthlyVariable": ("In certain months", "Certains mois"),
    "code": ("Code from your security device", "Code de votre boîtier de sécurité"),
    "code_hint": ("Filled in for you: the code is {code}.", "Prérempli pour vous : le code est {code}."),
    "code_wrong": ("This code is not right. Try {code}.", "Ce code n'est pas le bon. Essayez {code}."),
    "approve": ("Approve", "Valider"),
    "refuse": ("Refuse", "Refuser"),
    "error": ("Please check", "À vérifier"),
    "done_title": ("Already answered", "Déjà traité"),
    "done_approved": (
        "You approved this request. There is nothing left to do at the bank.",
        "Vous avez validé cette demande. Il n'y a plus rien à faire à la banque.",
    ),
    "done_refused": (
        "This request was refused. No money left your account.",
        "Cette demande a été refusée. Aucune somme n'a quitté votre compte.",
    ),
    "expired_title": ("This link has expired", "Ce lien a expiré"),
    "expired": (
        "The time to approve has passed. No money left your account; start again at the merchant's.",
        "Le délai de validation est dépassé. Aucune somme n'a quitté votre compte ; recommencez chez le marchand.",
    ),
    "closed_title": ("Nothing to approve", "Rien à valider"),
    "closed": (
        "This request was withdrawn or answered in another way. Nothing more is asked of you here.",
        "Cette demande a été retirée ou traitée autrement. Rien de plus ne vous est demandé ici.",
    ),
    "unknown_title": ("Page not found", "Page introuvable"),
    "unknown": (
        "There is nothing at this address. Go back to the merchant and start again.",
        "Il n'y a rien à cette adresse. Retournez chez le marchand et recommencez.",
    ),
    "back_to_merchant": ("Return to the merchant", "Retourner chez le marchand"),
    "phone_title": ("Approvals", "Validations"),
    "phone_empty": ("Nothing waits for you.", "Rien ne vous attend."),
    "phone_empty_lead": (
        "Payments to approve appear here.",
        "Les paiements à valider apparaissent ici.",
    ),
    "check_again": ("Check again", "Actualiser"),
    "phone_done_approved": ("Approved.", "Validé."),
    "phone_done_refused": ("Refused.", "Refusé."),
}


def language(accept: str) -> str:
    """Return the first language of an Accept-Language header that we speak, else English."""
    offers = []
    for position, part in enumerate(accept.split(",")[:20]):
        tag, _, weight = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight)
        offers.append((-Decimal(quality[1]) if quality else Decimal(-1), position, tag.lower()[:2]))
    spoken = [code for weight, _, code in sorted(offers) if code in LANGUAGES and weight]
    return spoken[0] if spoken else "en"


def say(lang: str, key: str, **facts: object) -> str:
    """Return a sentence, with the facts put in."""
    return WORDS[key][LANGUAGES.index(lang)].format(**facts)


def _locale(lang: str) -> str:
    return {"en": "en_IE", "fr": "fr_FR"}[lang]


def money(lang: str, minor: int) -> str:
    """Return cents of euro as the language writes them."""
    return format_currency(Decimal(minor).scaleb(-2), "EUR", locale=_locale(lang))


def day(lang: str, when: date) -> str:
    """Return a date in words."""
    return format_date(when, "long", locale=_locale(lang))


def iban_groups(iban: str) -> str:
    """Return an IBAN in groups of four."""
    return " ".join(re.findall(".{1,4}", iban))
