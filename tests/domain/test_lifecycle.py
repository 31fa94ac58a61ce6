"""The table of states: drawn for people, complete, and without a way back."""

from pathlib import Path

import pytest

from opengiro.domain.lifecycle import FINAL, MOVES, State, Trigger, grid, move
from opengiro.domain.payment import InstructionState, instruction_state

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "states.md"
BY_BANK = {trigger for trigger in Trigger if trigger.name.startswith("BANK_")}


def reachable(start: State) -> set[State]:
    found, edge = {start}, [start]
    while edge:
        here = edge.pop()
        for (origin, _), target in MOVES.items():
            if origin is here and target not in found:
                found.add(target)
                edge.append(target)
    return found


def test_the_grid_of_the_code_is_the_grid_of_the_docs() -> None:
    drawn = grid()
    print(drawn)  # noqa: T201  # whoever reviews a change of the rules sees the picture
    assert drawn in PAGE.read_text("utf-8"), "docs/concepts/states.md shows another grid than lifecycle.grid()"


def test_the_docs_say_what_every_state_and_trigger_means() -> None:
    page = PAGE.read_text("utf-8")
    assert [word for word in (*State, *Trigger) if f"| `{word}` |" not in page] == []


def test_every_state_can_be_reached() -> None:
    assert reachable(State.CREATED) == set(State)


def test_the_final_states_are_the_promised_ones_and_have_no_exit() -> None:
    assert {State.DONE, State.ACCEPTED, State.REJECTED, State.EXPIRED, State.PARTIAL} == FINAL
    assert [(state, trigger) for state in FINAL for trigger in Trigger if move(state, trigger)] == []


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_every_open_state_can_end_well_badly_and_by_time(state: State) -> None:
    assert reachable(state) >= {State.DONE, State.REJECTED, State.EXPIRED}
    assert move(state, Trigger.TIME_RAN_OUT) is State.EXPIRED


def test_nothing_moves_back() -> None:
    for origin, _ in MOVES:
        assert [target for target in reachable(origin) - {origin} if origin in reachable(target)] == []
        assert origin not in {target for (start, _), target in MOVES.items() if start is origin}


def test_only_a_bank_can_say_that_money_moved() -> None:
    paid = {State.PENDING, State.ACCEPTED, State.DONE, State.PARTIAL}
    assert {trigger for (_, trigger), target in MOVES.items() if target in paid} <= BY_BANK


def test_no_payment_is_paid_before_its_payer_chose_a_bank() -> None:
    from_created = {target for (origin, _), target in MOVES.items() if origin is State.CREATED}
    assert from_created == {State.VALIDATING, State.REJECTED, State.EXPIRED}


def test_a_payer_cannot_cancel_what_the_bank_has_accepted() -> None:
    assert move(State.PENDING, Trigger.PAYER_CANCELLED) is None


@pytest.mark.parametrize(
    ("state", "instruction"),
    [
        (State.CREATED, None),
        (State.VALIDATING, None),
        (State.PENDING, InstructionState.PENDING),
        (State.ACCEPTED, InstructionState.ACCEPTED),
        (State.DONE, InstructionState.DONE),
        (State.REJECTED, InstructionState.REJECTED),
        (State.EXPIRED, None),
        (State.PARTIAL, InstructionState.ACCEPTED),
    ],
)
def test_the_instructions_of_a_payment_share_what_is_known_of_the_whole(
    state: State, instruction: InstructionState | None
) -> None:
    assert instruction_state(state) is instruction
