"""Text ids and the venue's numbers: both ways, and ours known when everything is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.errors import UsageError
from obiterm.core.values import ClientOrderId, OrderRole, RunId
from obiterm.trading.ids import make_client_id, read_client_id
from obiterm.venues.backpack import ClientIds, is_ours, lost_text, numeric_id
from obiterm.venues.backpack.client_ids import PROBE

RUNS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9)
COUNTER = 2**21


@st.composite
def our_ids(draw: st.DrawFn) -> ClientOrderId:
    return make_client_id(
        RunId(draw(RUNS)),
        draw(st.integers(0, COUNTER - 1)),
        draw(st.sampled_from(OrderRole)),
        draw(st.text(min_size=1, max_size=12)),
        draw(st.text(max_size=8)),
    )


@given(text=our_ids())
def test_every_id_of_the_product_has_a_number_of_ours(text: ClientOrderId) -> None:
    number = numeric_id(text)
    assert 0 <= number < 2**32
    assert is_ours(number)
    assert numeric_id(text) == number
    assert 3_019_898_880 <= number <= 3_036_676_095


def test_the_number_of_an_id_never_changes() -> None:
    """A number that an older version sent must read back in a newer one."""
    assert numeric_id("ob-swsf9tk3-7e-surf-entry") == 3_022_115_620
    assert numeric_id("ob-swsf9tk3-7s-surf-stop") == 3_022_115_620 + 2**21


@given(text=our_ids())
def test_a_number_of_ours_reads_back_with_its_role_after_everything_is_lost(
    text: ClientOrderId,
) -> None:
    number = numeric_id(text)
    recovered = ClientIds().text(number)
    parts, told = read_client_id(recovered), read_client_id(text)
    assert parts is not None
    assert told is not None
    assert parts.role is told.role
    assert numeric_id(recovered) == number
    assert recovered == lost_text(number)


@given(texts=st.lists(our_ids(), unique=True, max_size=50))
def test_ids_that_were_sent_read_back_as_they_were(texts: list[ClientOrderId]) -> None:
    ids = ClientIds()
    numbers = [ids.assign(text) for text in texts]
    assert len(set(numbers)) == len(texts)
    assert [ids.text(number) for number in numbers] == texts
    assert [ids.number(text) for text in texts] == numbers
    assert [ids.assign(text) for text in texts] == numbers
    assert all(is_ours(number) for number in numbers)


@given(run=RUNS, start=st.integers(0, 2**30))
def test_the_orders_of_a_run_have_numbers_of_their_own(run: str, start: int) -> None:
    numbers = {numeric_id(f"ob-{run}-{start + step}e-surf-") for step in range(500)}
    assert len(numbers) == 500


def test_an_id_moves_aside_for_an_open_order_with_its_number() -> None:
    ids = ClientIds()
    mine = ClientOrderId("ob-swsf9tk3-7e-surf-entry")
    orphan = ids.text(numeric_id(mine))
    assert orphan.startswith("ob-lost-")
    number = ids.assign(mine)
    assert number != numeric_id(mine)
    assert is_ours(number)
    assert ids.text(number) == mine
    assert ids.number(mine) == number
    assert ids.text(numeric_id(orphan)) == orphan


def test_an_id_learned_from_the_journal_takes_its_number_back() -> None:
    ids = ClientIds()
    mine = ClientOrderId("ob-swsf9tk3-7s-surf-stop")
    assert ids.text(numeric_id(mine)) != mine
    ids.learn(mine)
    assert ids.text(numeric_id(mine)) == mine
    assert ids.assign(mine) == numeric_id(mine)


@settings(max_examples=200)
@given(number=st.integers(0, 2**32 - 1))
def test_any_number_of_the_venue_reads_and_writes_back(number: int) -> None:
    text = ClientIds().text(number)
    assert numeric_id(text) == number
    assert (read_client_id(text) is not None) == is_ours(number)


@pytest.mark.parametrize("number", [0, 1, 77, 123_456_789, 1_750_793_021, 2_082_758_400, 2**32 - 1])
def test_counters_and_clocks_of_others_are_not_ours(number: int) -> None:
    assert not is_ours(number)
    assert ClientIds().text(number) == str(number)


def test_an_order_without_a_number_has_no_id() -> None:
    assert ClientIds().text(None) == ""


@pytest.mark.parametrize("text", ["", "abc", "ob-run-1-surf-x", "-1", "4294967296", "x" * 36, "٣"])
def test_text_that_the_venue_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        numeric_id(text)


def test_what_is_not_used_for_longest_is_forgotten_first() -> None:
    ids = ClientIds(kept=3)
    texts = [ClientOrderId(f"ob-run-{number}e-a-b") for number in range(5)]
    for text in texts[:3]:
        ids.assign(text)
    assert ids.text(numeric_id(texts[0])) == texts[0]  # an open order, listed again
    for text in texts[3:]:
        ids.assign(text)
    assert len(ids) == 3
    assert ids.text(numeric_id(texts[0])) == texts[0]
    assert ids.text(numeric_id(texts[1])).startswith("ob-lost-")


def test_the_probe_is_nobodys_order() -> None:
    assert not is_ours(PROBE)
    assert 0 <= PROBE < 2**32
