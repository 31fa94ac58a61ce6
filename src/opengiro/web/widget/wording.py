"""What the widget says while its payer is at it, step by step, as total tables: a step without words fails a test."""

from __future__ import annotations

from collections.abc import Mapping

from opengiro.domain.steps import Step
from opengiro.web.checkout.wording import N_, Tone, Words

STEPS: Mapping[Step, Words] = {
    Step.CHOOSING_BANK: Words(
        Tone.CALM,
        N_("Continue in the window that opened"),
        N_("Choose your bank and approve there."),
        N_("This page follows by itself."),
    ),
    Step.ON_PHONE: Words(
        Tone.GOOD,
        N_("Connected to your phone"),
        N_("Choose your bank there."),
        N_("This page follows by itself."),
    ),
    Step.STARTING: Words(
        Tone.WAIT,
        N_("We are asking your bank"),
        N_("No money moves before you approve it at your bank."),
    ),
    Step.BANK_SILENT: Words(
        Tone.WAIT,
        N_("We are waiting for your bank’s answer"),
        N_("We keep asking. Please do not pay again until this page knows more."),
    ),
    Step.AT_BANK: Words(
        Tone.CALM,
        N_("Approve at your bank"),
        N_("The payment waits at your bank for your approval. This page continues as soon as your bank tells us."),
    ),
    Step.APPROVING: Words(
        Tone.CALM,
        N_("Approve in your bank’s app"),
        N_("Your bank has sent you a request. This page continues as soon as your bank tells us."),
    ),
    Step.ANSWERING: Words(
        Tone.CALM,
        N_("Your bank asks for something"),
        N_("Please answer in the window where you chose your bank."),
    ),
    Step.CONFIRMING: Words(
        Tone.WAIT,
        N_("%(shop)s is confirming"),
        N_("You have approved the payment. The money leaves once %(shop)s has confirmed, within a minute."),
    ),
    Step.PROCESSING: Words(
        Tone.WAIT,
        N_("Your bank is working on it"),
        N_("Your bank has not said yet whether it makes the payment."),
        N_("This usually takes seconds. Please do not pay again meanwhile."),
    ),
}
