"""A human's hand: place, cancel, move, close; the gate is the same (R127 T25 T45)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.commands import (
    CancelOrder,
    ClosePosition,
    Kill,
    PlaceOrder,
    RepriceOrder,
)
from obiterm.core.effects import Verb
from obiterm.core.events import OrderRefused
from obiterm.core.limits import RiskLimits
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, OrderState, Side, Symbol
from tests.trading_support.stage import (
    ASK,
    BID,
    BTC,
    Stage,
    cancels,
    entry,
    notes,
    sends,
    stop,
)


def place(
    side: Side = Side.BUY,
    lots: int = 100,
    price: int = BID - 10,
    *,
    join: bool = False,
    post_only: bool = True,
) -> PlaceOrder:
    return PlaceOrder(
        account="main",
        symbol=BTC,
        side=side,
        lots=lots,
        price_ticks=price,
        join=join,
        post_only=post_only,
    )


def ready(**options: object) -> Stage:
    stage = Stage(**options)  # type: ignore[arg-type]
    stage.ready()
    return stage


def test_place_join_take() -> None:
    stage = ready(base=Decimal(1))
    (limit,) = sends(stage.command(place()))
    assert (limit.kind, limit.price_ticks, limit.post_only) == (OrderKind.LIMIT, BID - 10, True)
    assert (limit.owner, limit.role) == ("manual", OrderRole.MANUAL)
    assert stage.kernel.last_result == (True, "sent BUY 0.001 @ 99999.40")
    (join,) = sends(stage.command(place(Side.SELL, join=True)))
    assert (join.price_ticks, join.post_only) == (ASK, True)
    stage.ack("m2")
    assert sends(stage.command(place(Side.BUY, price=0))) == []  # would meet our own ask (R15)
    assert not stage.kernel.last_result[0]
    stage.command(CancelOrder(account="main", symbol=BTC, client_id=join.client_id))
    stage.cancelled("m2")
    (take,) = sends(stage.command(place(Side.BUY, price=0)))
    assert (take.kind, take.post_only) == (OrderKind.MARKET, False)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (place(lots=0), "order_form"),
        (place(join=True, lots=200_000), "max_order_notional"),
        (place(Side.SELL, lots=100), "oversell"),
        (place(price=BID + 500_000, post_only=False), "price_collar_bps"),
        (
            PlaceOrder(account="other", symbol=BTC, side=Side.BUY, lots=1, price_ticks=BID),
            "account 'other' is not 'main'",
        ),
        (
            PlaceOrder(account="*", symbol=Symbol("ETHUSDT"), side=Side.BUY, lots=1),
            "symbol 'ETHUSDT' is not traded by main",
        ),
    ],
)
def test_the_hand_passes_the_same_gate(command: PlaceOrder, words: str) -> None:
    stage = ready(limits=RiskLimits())
    assert sends(stage.command(command)) == []
    ok, text = stage.kernel.last_result
    assert not ok
    assert words in text


def test_a_hand_made_order_fills_into_the_hands_own_position() -> None:
    stage = ready()
    stage.command(place())
    stage.ack("m1")
    stage.fill("m1", 100)
    assert stage.kernel.gate.position("manual", BTC).lots == 100
    assert stage.kernel.gate.position("one", BTC).lots == 0


def test_cancel() -> None:
    stage = ready()
    (order,) = sends(stage.command(place()))
    stage.ack("m1")
    cancel = CancelOrder(account="main", symbol=BTC, client_id=order.client_id)
    assert cancels(stage.command(cancel)) == [order.client_id]
    stage.cancelled("m1")
    stage.command(cancel)
    assert stage.kernel.last_result == (False, f"no open order {order.client_id}")
    unknown = CancelOrder(account="main", symbol=BTC, client_id=ClientOrderId("nothing"))
    stage.command(unknown)
    assert not stage.kernel.last_result[0]


def test_a_cancel_by_hand_that_was_lost_is_sent_again() -> None:
    """T22: nobody but the desk remembers that this order was to go."""
    stage = ready()
    (order,) = sends(stage.command(place()))
    stage.ack("m1")
    stage.command(CancelOrder(account="main", symbol=BTC, client_id=order.client_id))
    stage.ticks(3.1)
    assert cancels(stage.report(order, OrderState.OPEN)) == [order.client_id]
    stage.cancelled("m1")
    assert stage.live() == []


# -- moving -----------------------------------------------------------------------------------


def move(order_id: ClientOrderId, price: int) -> RepriceOrder:
    return RepriceOrder(account="main", symbol=BTC, client_id=order_id, price_ticks=price)


def test_move_takes_what_is_left_to_the_new_price() -> None:
    stage = ready()
    (order,) = sends(stage.command(place()))
    stage.ack("m1")
    stage.fill("m1", 30)
    assert cancels(stage.command(move(order.client_id, BID - 5))) == [order.client_id]
    assert len(stage.sent) == 1
    stage.fill("m1", 10)  # while the cancel is out
    (moved,) = sends(stage.cancelled("m1"))
    assert (moved.price_ticks, moved.lots, moved.post_only) == (BID - 5, 60, True)


def test_an_order_that_filled_instead_is_not_placed_again() -> None:
    stage = ready()
    (order,) = sends(stage.command(place()))
    stage.ack("m1")
    stage.command(move(order.client_id, BID - 5))
    stage.fill("m1", 100)
    stage.ticks(2)
    assert len(stage.sent) == 1


def test_a_kill_ends_a_move() -> None:
    """T4: the second half of a move is a new order, and none leaves after a halt."""
    stage = ready()
    (order,) = sends(stage.command(place()))
    stage.ack("m1")
    stage.command(move(order.client_id, BID - 5))
    stage.command(Kill(account="main"))
    stage.cancelled("m1")
    stage.ticks(1)
    assert len(stage.sent) == 1


def test_a_cancel_ends_a_move() -> None:
    stage = ready()
    (order,) = sends(stage.command(place()))
    stage.ack("m1")
    stage.command(move(order.client_id, BID - 5))
    stage.command(CancelOrder(account="main", symbol=BTC, client_id=order.client_id))
    stage.cancelled("m1")
    assert len(stage.sent) == 1


def test_a_strategys_order_is_not_moved_by_hand() -> None:
    stage = ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    stage.command(move(stage.sent[0].client_id, BID - 5))
    assert stage.kernel.last_result == (False, "the order belongs to one: stop it first")


# -- closing ----------------------------------------------------------------------------------


def with_position(lots: int = 1_000) -> Stage:
    stage = ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(lots),)
    stage.fill("entry", lots)
    stage.ack("stop")
    return stage


CLOSE = ClosePosition(account="main", symbol=BTC)


def test_close_frees_the_coins_first_and_the_strategy_keeps_its_hands_off() -> None:
    """T45: cancel the stop, then sell; T25: the strategy does not fight the human."""
    stage = with_position()
    stop_id = stage.order("stop").intent.client_id
    effects = stage.command(CLOSE, "c")
    assert cancels(effects) == [stop_id]
    assert sends(effects) == []
    assert stage.ticks(0.2) is not None
    (close,) = sends(stage.cancelled("stop"))
    assert (close.side, close.kind, close.lots) == (Side.SELL, OrderKind.MARKET, 1_000)
    assert (close.role, close.reduce_only, close.owner) == (OrderRole.EXIT, True, "manual")
    stage.fill("close", 1_000)
    assert stage.kernel.gate.position("one", BTC).is_flat
    assert stage.position == 0
    runner = stage.kernel.runners[0]
    assert runner.reason == "position closed by c"
    stage.puppet.wishes = (entry(),)
    assert sends(stage.ticks(2)) == []


def test_close_sells_what_a_late_fill_adds() -> None:
    """T11: the size comes from the position, not from memory."""
    stage = ready()
    stage.puppet.wishes = (entry(1_000),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (entry(600), stop(400))
    stage.fill("entry", 400)
    stage.ack("stop")
    stage.command(CLOSE)
    stage.cancelled("stop")
    stage.fill("entry", 200)
    (close,) = sends(stage.cancelled("entry"))
    assert close.lots == 600


def test_close_goes_on_after_a_part() -> None:
    stage = with_position()
    stage.command(CLOSE)
    (close,) = sends(stage.cancelled("stop"))
    stage.step(stage.fill_event(close, 700))
    effects = stage.report(close, OrderState.EXPIRED, 700, code="LIQUIDITY")
    (rest,) = sends(effects)
    assert rest.lots == 300


def test_a_close_that_the_venue_refuses_is_given_up_and_the_stop_comes_back() -> None:
    """T46: no endless loop; and what cannot be closed is protected again."""
    stage = with_position()
    stage.command(CLOSE)
    stage.cancelled("stop")
    for _ in range(3):
        close = stage.order("close").intent
        assert close.lots == 1_000
        stage.step(OrderRefused(BTC, close.client_id, "-2010", "no balance", stage.now_ns))
        stage.ticks(0.9)
    given_up = [text for text in notes(stage.log, Verb.RISK) if "given up" in text]
    assert given_up == ["close by test given up: the venue refused 3 orders"]
    assert [intent.tag for intent in stage.sent].count("close") == 3
    assert stage.sent[-1].tag == "stop"
    assert not stage.kernel.manual.is_closing(BTC)


def test_close_works_when_halted() -> None:
    """HALTED forbids strategies, not the human who wants to be out."""
    stage = with_position()
    stage.command(Kill(account="main"))
    stage.cancelled("stop")
    (close,) = sends(stage.command(CLOSE))
    stage.fill("close", 1_000)
    assert stage.position == 0
    assert close.lots == 1_000


def test_close_without_a_position_says_so() -> None:
    stage = ready()
    stage.command(CLOSE)
    assert stage.kernel.last_result == (False, f"no position on {BTC}")


def test_two_closes_are_one() -> None:
    stage = with_position()
    stage.command(CLOSE)
    stage.command(CLOSE)
    stage.cancelled("stop")
    stage.command(CLOSE)
    assert [intent.tag for intent in stage.sent].count("close") == 1


def test_a_close_ends_every_owners_position() -> None:
    stage = with_position()
    stage.command(place(lots=300))
    stage.ack("m1")
    stage.fill("m1", 300)
    stage.command(CLOSE)
    (close,) = sends(stage.cancelled("stop"))
    assert close.lots == 1_300
    stage.fill("close", 1_300)
    assert stage.kernel.gate.position("one", BTC).is_flat
    assert stage.kernel.gate.position("manual", BTC).is_flat


# -- spot coins that were held before -----------------------------------------------------------


def sold_from_before(lots: int = 100) -> Stage:
    """Sell coins by hand that no fill of ours bought."""
    stage = ready(base=Decimal(1))
    (sell,) = sends(stage.command(place(Side.SELL, lots=lots, price=0)))
    stage.step(stage.fill_event(sell, lots, BID, fee=Decimal("0.1")))
    return stage


def test_a_sale_of_coins_held_before_is_no_position_and_there_is_nothing_to_close() -> None:
    """Decision 0007: what our fills did not buy is neither a short nor a result."""
    stage = sold_from_before()
    gate = stage.kernel.gate
    assert (stage.position, gate.exposure_lots(BTC), gate.exposure_quote()) == (0, 0, Decimal(0))
    assert (gate.result_quote(), gate.day_booked_quote) == (Decimal(0), Decimal(0))
    assert all(position.is_flat for position in gate.positions.values())
    assert sends(stage.command(CLOSE)) == []
    assert stage.kernel.last_result == (False, "no position on BTCUSDT")


def test_a_strategy_buys_after_it_and_its_own_position_is_whole() -> None:
    stage = sold_from_before()
    stage.puppet.wishes = (entry(500),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = ()
    stage.fill("entry", 500)
    assert (stage.position, stage.kernel.gate.exposure_lots(BTC)) == (500, 500)


def test_a_stop_that_sells_after_a_hand_did_takes_the_coins_of_the_other_owner_first() -> None:
    """What all owners bought is sold before what was held before."""
    stage = ready(base=Decimal(1))
    buy = sends(stage.command(place(lots=300, price=0)))[0]
    stage.step(stage.fill_event(buy, 300, BID))
    stage.puppet.wishes = (entry(500),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(500),)
    stage.fill("entry", 500)
    stage.ack("stop")
    held = stage.order("stop").intent
    sell = sends(stage.command(place(Side.SELL, lots=600, price=0)))[0]
    stage.step(stage.fill_event(sell, 600, BID))
    assert stage.position == 200
    stage.step(stage.fill_event(held, 500, BID))
    assert stage.position == 0
    assert stage.kernel.gate.exposure_lots(BTC) == 0


def test_a_close_that_no_order_can_do_says_why() -> None:
    """A close ends in an order or in a refusal with its reason."""
    stage = ready()
    (buy,) = sends(stage.command(place(lots=100, price=0)))
    fee = Decimal("0.000001")
    stage.step(stage.fill_event(buy, 1, ASK, fee=fee, fee_asset="BTC"))
    assert stage.position == 1
    assert sends(stage.command(CLOSE)) == []
    words = f"nothing to close on {BTC}: what is held is less than one lot"
    assert stage.kernel.last_result == (False, words)


def test_a_close_whose_position_the_stop_ended_meanwhile_tells_so() -> None:
    stage = with_position()
    stage.command(CLOSE)
    stage.fill("stop", 1_000, BID)
    assert stage.position == 0
    assert not stage.kernel.manual.is_closing(BTC)
    assert "no order was needed to close: the position has ended meanwhile" in notes(stage.log)
