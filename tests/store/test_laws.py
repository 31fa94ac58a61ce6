"""What the database itself forbids, whoever writes, and what a stolen copy of it tells."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import Redirect
from opengiro.domain.identifiers import guid7, mint_token, payment_id
from opengiro.domain.lifecycle import FINAL, MOVES, State, Trigger
from opengiro.domain.money import Money
from opengiro.domain.parties import Party
from opengiro.domain.payment import Execution, Instruction, Payment, advance
from opengiro.domain.rights import Principal, Right
from opengiro.store import Conflict, Store, Write
from opengiro.store.answers import Answer, Receipt
from opengiro.store.engines import Row, postgres, sqlite
from opengiro.store.vault import Vault, open_vault
from tests import engines
from tests.store.conftest import NOON

DRAWN = count()
"""Ids of one instant have twelve bits of chance; drawn in turn, no two of a test are alike."""
PAYEE = Account(Scheme.IBAN, "FR7630006000011234567890189", "Maison Amarante")
PAYER = Account(Scheme.IBAN, "DE77200995000142961871", "Germaine Michu")


def paying() -> Payment:
    payment = Payment(
        merchant_id=1,
        payment_id=payment_id(NOON, (next(DRAWN) << 4).to_bytes(2, "big")),
        guid=guid7(NOON, os.urandom(10)),
        client_id="1000001",
        dialect="plain",
        created_at=NOON,
        expires_at=NOON + timedelta(days=30),
        redirect_uri="https://shop.test/",
        client_state=None,
        instructions=(Instruction("e2e", Money(5090, "EUR"), "Order 1", Execution.INSTANT, None, PAYEE),),
    )
    return replace(payment, payer=PAYER, payer_party=Party(first_name="Germaine", last_name="Michu"))


def trying(payment: Payment, ordinal: int, phase: Phase = Phase.LIVE) -> Attempt:
    return Attempt(
        merchant_id=1,
        payment_id=payment.payment_id,
        ordinal=ordinal,
        version=0,
        bank_id="b",
        phase=phase,
        request_id=guid7(NOON, os.urandom(10)),
        started_at=NOON,
        ends_at=NOON + timedelta(minutes=20),
        back_to="https://shop.test/back?canary=0451",
        action=Redirect("https://bank.test/sca/0451-canary"),
        memory='{"sca":"0451-canary"}',
        fields={"login": "0451-canary"},
    )


async def saved(store: Store, *triggers: Trigger) -> Payment:
    """A payment that went through these triggers."""
    payment = paying()
    await store.commit(store.payments.create(payment))
    if not triggers:
        return payment
    after, moves = advance(payment, triggers, NOON, said="0451")
    after = replace(after, version=1)
    await store.commit(store.payments.save_moves(after, payment, moves))
    return after


async def forced(store: Store, sql: str, *params: object) -> Sequence[Sequence[Row]]:
    """Run a statement that no query of ours contains, as somebody with a database shell would."""
    engine: Any = store.engine
    translate = {"sqlite": sqlite.translate, "postgres": postgres.translate}[engine.kind]
    engine._sql = engine._sql | {sql: translate(sql)}  # its text is its name, because engines prepare by name
    rows: Sequence[Sequence[Row]] = await store.commit([Write(sql, params, None)])
    return rows


PATHS = {
    State.DONE: (Trigger.PAYER_CHOSE_BANK, Trigger.BANK_SETTLED),
    State.ACCEPTED: (Trigger.PAYER_CHOSE_BANK, Trigger.BANK_WENT_QUIET),
    State.PARTIAL: (Trigger.PAYER_CHOSE_BANK, Trigger.BANK_SETTLED_PARTLY),
    State.REJECTED: (Trigger.BANK_REJECTED,),
    State.EXPIRED: (Trigger.TIME_RAN_OUT,),
}


@pytest.mark.parametrize("final", sorted(FINAL))
async def test_a_final_state_has_no_exit_even_by_hand(store: Store, final: State) -> None:
    payment = await saved(store, *PATHS[final])
    assert payment.state is final
    for state in set(State) - {final}:
        with pytest.raises(Conflict, match="a final state has no exit"):
            await forced(store, "UPDATE payments SET state = $1 WHERE payment_id = $2", state, payment.payment_id)
    assert await store.payments.load(1, payment.payment_id) == payment


@pytest.mark.parametrize(
    "change",
    [
        "payments SET amount_minor = 1",
        "payments SET currency = 'GBP'",
        "payments SET client_id = 'other'",
        "payments SET execution = 'deferred'",
        "payments SET guid = 'x'",
        "instructions SET amount_minor = 1",
        "instructions SET label = 'x'",
        "instructions SET reference_id = 'x'",
        "instructions SET execution_date = '2026-01-01'",
        "instructions SET sealed = substr(sealed, 2)",
        "moves SET target = 'done'",
        "moves SET said = 'x'",
    ],
)
async def test_agreement_and_history_cannot_be_changed_even_by_hand(store: Store, change: str) -> None:
    payment = await saved(store, Trigger.PAYER_CHOSE_BANK)
    with pytest.raises(Conflict):
        await forced(store, f"UPDATE {change} WHERE payment_id = $1", payment.payment_id)
    assert await store.payments.load(1, payment.payment_id) == payment


async def test_an_amount_is_never_zero_nor_less(store: Store) -> None:
    for minor in (0, -1):
        payment = paying()
        (one,) = payment.instructions
        with pytest.raises(Conflict):
            await store.commit(
                store.payments.create(replace(payment, instructions=(replace(one, amount=Money(minor, "EUR")),)))
            )


async def test_a_second_attempt_waits_until_the_first_has_ended(store: Store) -> None:
    payment = await saved(store)
    first = trying(payment, 1)
    await store.commit([store.attempts.insert(first, "ticket-1")])
    for phase in (Phase.INITIATING, Phase.LIVE, Phase.UNKNOWN):
        now = replace(first, phase=phase, version=first.version + 1)
        await store.commit([store.attempts.update(now, first)])
        first = now
        with pytest.raises(Conflict):
            await store.commit([store.attempts.insert(trying(payment, 2), "ticket-2")])
    await store.commit([store.attempts.update(replace(first, phase=Phase.ENDED), first)])
    await store.commit([store.attempts.insert(trying(payment, 2), "ticket-2")])


async def test_moves_are_numbered_without_gaps_and_follow_each_other(store: Store) -> None:
    payment = await saved(store, Trigger.PAYER_CHOSE_BANK)
    insert = (
        "INSERT INTO moves (merchant_id, payment_id, ordinal, origin, trigger_name, target, at_us)"
        " VALUES (1, $1, $2, $3, 'bank_settled', 'done', 0)"
    )
    for ordinal, origin in ((1, "created"), (3, "validating"), (2, "pending"), (0, None)):
        with pytest.raises(Conflict):
            await forced(store, insert, payment.payment_id, ordinal, origin)
    await forced(store, insert, payment.payment_id, 2, "validating")


async def test_of_two_writers_that_decide_from_the_same_state_one_wins(store: Store) -> None:
    payment = await saved(store, Trigger.PAYER_CHOSE_BANK)
    for trigger, wins in ((Trigger.BANK_SETTLED, True), (Trigger.TIME_RAN_OUT, False)):
        after, moves = advance(payment, (trigger,), NOON)
        writes = store.payments.save_moves(replace(after, version=2), payment, moves)
        if wins:
            await store.commit(writes)
        else:
            with pytest.raises(Conflict):
                await store.commit(writes)
    assert [one.target for one in await store.payments.moves(1, payment.payment_id)] == [
        State.CREATED,
        State.VALIDATING,
        State.DONE,
    ]


async def test_a_state_is_never_saved_without_the_move_that_changed_it(store: Store) -> None:
    payment = await saved(store)
    with pytest.raises(ValueError, match="a state changes by moves"):
        store.payments.save_moves(replace(payment, state=State.DONE), payment, ())


async def test_a_payment_is_loaded_as_it_was_saved_whatever_its_state(store: Store) -> None:
    for origin, trigger in MOVES:
        path = [Trigger.PAYER_CHOSE_BANK, Trigger.BANK_ACCEPTED][: [State.CREATED, State.VALIDATING].index(origin)
                                                                  if origin is not State.PENDING else 2]  # fmt: skip
        payment = await saved(store, *path, trigger)
        assert await store.payments.load(1, payment.payment_id) == payment


async def test_an_attempt_is_loaded_as_it_was_saved(store: Store) -> None:
    payment = await saved(store)
    attempt = trying(payment, 1)
    await store.commit([store.attempts.insert(attempt, "ticket")])
    assert await store.attempts.last(1, payment.payment_id) == attempt
    assert await store.attempts.by_ticket(1, "ticket") == attempt
    assert await store.attempts.by_ticket(1, "other") is None
    assert await store.attempts.by_ticket(2, "ticket") is None


async def test_another_merchant_sees_none_of_it(store: Store) -> None:
    payment = await saved(store)
    assert await store.payments.load(2, payment.payment_id) is None
    assert await store.payments.moves(2, payment.payment_id) == []
    assert await store.payments.page(2, (), (), "p.payment_id", 10, 0) == ([], 0)


CANARIES = (
    PAYEE.identification,
    PAYEE.holder,
    PAYER.identification,
    PAYER.holder,
    "Germaine",
    "Michu",
    "0451-canary",
    "canary=0451",
    "answer-canary",
    "return-ticket-canary",
)


async def test_a_stolen_database_tells_no_name_account_link_token_or_answer(store: Store, tmp_path: Path) -> None:
    payment = await saved(store)
    token = mint_token(1, os.urandom(32))
    holder = Principal(merchant_id=1, client_id="1", rights=frozenset({Right.READ}))
    receipt = Receipt(1, "1", "POST /payments", "key", bytes(32))
    await store.commit(
        [
            store.attempts.insert(trying(payment, 1), "return-ticket-canary"),
            store.tokens.insert(token, holder),
            store.answers.keep(receipt, Answer(200, b'{"name":"answer-canary"}'), NOON),
        ]
    )
    stolen = engines.stolen(tmp_path)
    assert payment.guid.encode() in stolen, "the test does not read where the rows are"
    assert [one for one in (*CANARIES, token) if one.encode() in stolen] == []


async def test_the_key_is_not_beside_the_data_for_everybody_to_read(store: Store, tmp_path: Path) -> None:
    assert (tmp_path / "root.key").stat().st_mode & 0o077 == 0


async def test_a_ciphertext_moved_to_another_row_does_not_open(store: Store) -> None:
    first, second = await saved(store), await saved(store)
    moved = "UPDATE payments SET sealed = (SELECT sealed FROM payments WHERE payment_id = $1) WHERE payment_id = $2"
    await forced(store, moved, first.payment_id, second.payment_id)
    with pytest.raises(InvalidTag):
        await store.payments.load(1, second.payment_id)
    assert await store.payments.load(1, first.payment_id) == first


def test_every_bit_of_a_ciphertext_counts() -> None:
    vault = Vault({1: bytes(32)})
    sealed = vault.seal(b"Germaine", "place")
    for at in range(8, len(sealed) * 8):
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(InvalidTag):
            vault.open(bytes(changed), "place")


def test_the_same_text_is_sealed_differently_each_time() -> None:
    vault = Vault({1: bytes(32)})
    assert vault.seal(b"Germaine", "place") != vault.seal(b"Germaine", "place")


def test_a_new_key_seals_and_the_old_one_still_opens_and_finds() -> None:
    before = Vault({1: bytes(32)})
    after = Vault({1: bytes(32), 2: bytes(range(32))})
    old, new = before.seal(b"Germaine", "p"), after.seal(b"Germaine", "p")
    assert after.open(old, "p") == after.open(new, "p") == b"Germaine"
    assert new[0] == 2
    assert before.fingerprint("token") == after.fingerprint("token")
    assert before.index("FR76") == after.index("FR76") != before.index("FR77")


def test_a_root_key_of_another_length_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "root.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        open_vault(tmp_path / "root.key")


async def test_a_database_without_its_key_opens_nothing(store: Store, tmp_path: Path) -> None:
    payment = await saved(store)
    thief = Store(await engines.opened(tmp_path), Vault({1: bytes(32)}))
    with pytest.raises(InvalidTag):
        await thief.payments.load(1, payment.payment_id)
    await thief.close()
