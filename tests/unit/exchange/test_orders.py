"""Known examples of every order type, refusal and end of an order."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import (
    BalanceUpdate,
    Kind,
    ListUpdate,
    Order,
    OrderUpdate,
    PublicTrade,
    Refusal,
    Status,
    Stp,
    Tif,
    Top,
    Why,
)

from .conftest import SYMBOL, Floor


def updates(floor: Floor) -> list[tuple[str, Status]]:
    """Return ``(execution, status)`` of the order reports since the last look."""
    found = [o for o in floor.venue.drain() if isinstance(o, OrderUpdate)]
    return [(update.execution, update.order.status) for update in found]


def test_a_limit_buy_locks_quote_and_rests(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_000, price_ticks=5_999_000)
    assert order.status is Status.NEW
    assert market_floor.balance("USDT") == (Decimal("999400.1"), Decimal("599.9"))
    outputs = market_floor.venue.drain()
    assert [type(output).__name__ for output in outputs] == [
        "OrderUpdate",
        "BalanceUpdate",
        "DepthDelta",
    ]


def test_a_crossing_buy_pays_the_maker_price_and_the_fee_in_base(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_000, price_ticks=6_000_500)
    assert order.status is Status.FILLED
    fill = market_floor.venue.fills("a")[0]
    assert fill.price_ticks == 6_000_010
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (Decimal("0.00001"), "BTC", False)
    assert market_floor.balance("BTC") == (Decimal("10.00999"), Decimal(0))
    assert market_floor.balance("USDT") == (Decimal("999399.999"), Decimal(0))


def test_a_maker_sell_pays_its_fee_in_quote(market_floor: Floor) -> None:
    market_floor.place(Side.SELL, lots=1_000, price_ticks=6_000_005)
    market_floor.hit(Side.BUY, 6_000_005, 400)
    fill = market_floor.venue.fills("a")[0]
    assert (fill.lots, fill.fee, fill.fee_asset, fill.is_maker) == (
        400,
        Decimal("0.24000020"),
        "USDT",
        True,
    )
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal("0.006"))


def test_reports_of_a_partial_fill_name_each_execution_once(market_floor: Floor) -> None:
    market_floor.place(Side.BUY, lots=1_500, price_ticks=6_000_020)
    reports = [o for o in market_floor.venue.drain() if isinstance(o, OrderUpdate)]
    assert [(r.execution, r.order.status, r.order.filled_lots) for r in reports] == [
        ("NEW", Status.NEW, 0),
        ("TRADE", Status.PARTIALLY_FILLED, 1_000),
        ("TRADE", Status.FILLED, 1_500),
    ]
    assert len({r.execution_id for r in reports}) == 3


def test_post_only_that_would_take_is_refused(market_floor: Floor) -> None:
    refusal = market_floor.refused(Side.BUY, Kind.LIMIT_MAKER, lots=1_000, price_ticks=6_000_010)
    assert refusal.why is Why.WOULD_TAKE
    assert market_floor.balance("USDT") == (Decimal(1_000_000), Decimal(0))
    assert (
        market_floor.place(Side.BUY, Kind.LIMIT_MAKER, lots=1_000, price_ticks=6_000_009).status
        is Status.NEW
    )


def test_ioc_expires_what_finds_nobody(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_500, price_ticks=6_000_010, tif=Tif.IOC)
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 1_000)
    assert order.expiry_reason == "UNFILLED_IOC_QUANTITY_EXPIRED"
    assert market_floor.balance("USDT")[1] == 0


def test_fok_trades_whole_or_not_at_all(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_001, price_ticks=6_000_010, tif=Tif.FOK)
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 0)
    assert order.expiry_reason == "UNFILLED_FOK_ORDER_EXPIRED"
    order = market_floor.place(Side.BUY, lots=1_000, price_ticks=6_000_010, tif=Tif.FOK)
    assert order.status is Status.FILLED


def test_market_order_walks_the_book(market_floor: Floor) -> None:
    order = market_floor.place(Side.SELL, Kind.MARKET, lots=2_500)
    assert order.status is Status.FILLED
    assert [fill.price_ticks for fill in market_floor.venue.fills("a")] == [
        5_999_990,
        5_999_980,
        5_999_970,
    ]


def test_market_order_on_a_thin_book_ends_expired_with_a_part(market_floor: Floor) -> None:
    order = market_floor.place(Side.SELL, Kind.MARKET, lots=10_500)
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 10_000)
    assert order.expiry_reason == "INSUFFICIENT_LIQUIDITY"
    assert market_floor.balance("BTC")[1] == 0
    assert market_floor.refused(Side.SELL, Kind.MARKET, lots=500).why is Why.NO_LIQUIDITY


def test_market_order_by_quote_spends_at_most_that(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, Kind.MARKET, quote_qty=Decimal(1_000))
    assert order.status is Status.FILLED
    assert order.lots == order.filled_lots == 1_666
    assert Decimal(999) < order.filled_quote <= Decimal(1_000)
    order = market_floor.place(Side.SELL, Kind.MARKET, quote_qty=Decimal(7_000))
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 10_000)


def test_market_order_by_too_little_quote_breaks_the_notional_filter(market_floor: Floor) -> None:
    refusal = market_floor.refused(Side.BUY, Kind.MARKET, quote_qty=Decimal("4.99"))
    assert (refusal.why, refusal.detail) == (Why.FILTER, "NOTIONAL")


def test_funds_are_checked_before_anything_happens(market_floor: Floor) -> None:
    sold = market_floor.refused(Side.SELL, lots=1_000_001, price_ticks=6_000_100)
    bought = market_floor.refused(Side.BUY, lots=17_000_000, price_ticks=3_000_000)
    assert sold.why is bought.why is Why.INSUFFICIENT_BALANCE
    assert market_floor.venue.all_orders("a", SYMBOL) == []
    assert market_floor.venue.drain() == []


def test_a_test_order_changes_nothing(market_floor: Floor) -> None:
    request = market_floor.request(Side.BUY, lots=1_000, price_ticks=6_000_500)
    draft = market_floor.venue.place("a", request, market_floor.now_ns, test=True)
    assert draft.filled_lots == 0
    assert market_floor.venue.drain() == []
    assert market_floor.venue.all_orders("a", SYMBOL) == []
    with pytest.raises(Refusal):
        market_floor.venue.place(
            "a",
            market_floor.request(Side.SELL, lots=2_000_000, price_ticks=6_000_500),
            market_floor.now_ns,
            test=True,
        )


def test_client_ids_are_unique_among_open_orders_only(market_floor: Floor) -> None:
    first = market_floor.place(Side.BUY, lots=1_000, price_ticks=5_999_000, client_id="one")

    def again(account: str) -> Order:
        return market_floor.place(
            Side.BUY, account=account, lots=1_000, price_ticks=5_999_000, client_id="one"
        )

    with pytest.raises(Refusal) as caught:
        again("a")
    assert caught.value.why is Why.DUPLICATE_CLIENT_ID
    assert again("b").status is Status.NEW
    market_floor.venue.cancel("a", SYMBOL, 0, client_id="one")
    second = again("a")
    found = market_floor.venue.find_order("a", SYMBOL, client_id="one")
    assert found.order_id == second.order_id != first.order_id


# -- stops ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "print_at"),
    [
        (Side.SELL, Kind.STOP_MARKET, 5_999_000, 5_998_990),
        (Side.BUY, Kind.STOP_MARKET, 6_000_050, 6_000_050),
        (Side.SELL, Kind.TAKE_PROFIT_MARKET, 6_000_050, 6_000_060),
        (Side.BUY, Kind.TAKE_PROFIT_MARKET, 5_999_000, 5_999_000),
    ],
)
def test_conditional_market_orders_wait_for_the_last_price(
    market_floor: Floor, side: Side, kind: Kind, trigger: int, print_at: int
) -> None:
    order = market_floor.place(side, kind, lots=500, trigger_ticks=trigger)
    assert (order.status, order.working_ns) == (Status.NEW, -1)
    assert market_floor.balance("BTC" if side is Side.SELL else "USDT")[1] > 0
    if print_at < 6_000_000:
        market_floor.quote(Side.BUY, print_at, 1)
        market_floor.hit(Side.SELL, print_at, 10_000_000)
        market_floor.quote(Side.BUY, print_at, 700)
    else:
        market_floor.hit(Side.BUY, print_at, 4_900)
        market_floor.hit(Side.BUY, print_at, 10_000)
    assert order.triggered
    assert order.working_ns == market_floor.now_ns
    assert order.status in (Status.FILLED, Status.EXPIRED)
    assert (order.status is Status.FILLED) == (order.filled_lots == 500)
    assert market_floor.balance("BTC")[1] == market_floor.balance("USDT")[1] == 0


@pytest.mark.parametrize(
    ("side", "kind", "trigger"),
    [
        (Side.SELL, Kind.STOP_MARKET, 6_000_000),
        (Side.BUY, Kind.STOP_LIMIT, 6_000_000),
        (Side.SELL, Kind.TAKE_PROFIT_LIMIT, 5_999_999),
        (Side.BUY, Kind.TAKE_PROFIT_MARKET, 6_000_001),
    ],
)
def test_a_trigger_already_past_is_refused(
    market_floor: Floor, side: Side, kind: Kind, trigger: int
) -> None:
    price = 0 if kind in (Kind.STOP_MARKET, Kind.TAKE_PROFIT_MARKET) else 6_000_000
    refusal = market_floor.refused(side, kind, lots=500, trigger_ticks=trigger, price_ticks=price)
    assert refusal.why is Why.WOULD_TRIGGER


def test_a_triggered_stop_limit_rests_at_its_limit(market_floor: Floor) -> None:
    order = market_floor.place(
        Side.SELL, Kind.STOP_LIMIT, lots=500, trigger_ticks=5_999_990, price_ticks=6_000_005
    )
    assert market_floor.venue.depth(SYMBOL, 1)[2][0][0] == 6_000_010
    market_floor.hit(Side.SELL, 5_999_990, 1)
    assert (order.status, order.triggered) == (Status.NEW, True)
    assert market_floor.venue.depth(SYMBOL, 1)[2][0] == (6_000_005, 500)


def test_a_stop_buy_takes_what_the_book_asks_above_its_trigger_from_free_funds(
    floor: Floor,
) -> None:
    floor.venue.add_account("poor", {"USDT": Decimal("600.1")})
    floor.around(lots=100)
    order = floor.place(
        Side.BUY, Kind.STOP_MARKET, account="poor", lots=1_000, trigger_ticks=6_000_010
    )
    assert floor.balance("USDT", "poor") == (Decimal("0.099"), Decimal("600.001"))
    floor.hit(Side.BUY, 6_000_010, 100)
    # Nine levels are left above the trigger: 900 lots, the money would do for them.
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 900)
    free, locked = floor.balance("USDT", "poor")
    assert locked == 0
    assert free >= 0


def test_one_stop_may_set_off_the_next(market_floor: Floor) -> None:
    first = market_floor.place(Side.SELL, Kind.STOP_MARKET, lots=1_500, trigger_ticks=5_999_990)
    second = market_floor.place(Side.SELL, Kind.STOP_MARKET, lots=100, trigger_ticks=5_999_980)
    market_floor.hit(Side.SELL, 5_999_990, 1)
    assert first.status is Status.FILLED
    assert second.status is Status.FILLED
    assert second.filled_quote < Decimal(100) * Decimal("0.00001") * Decimal("59999.9")


# -- order lists ----------------------------------------------------------------


def bracket(floor: Floor, *, lots: int = 1_000) -> tuple[Order, Order]:
    """Place a sell bracket around 60,000 and return its legs."""
    order_list = floor.venue.place_oco(
        "a",
        floor.request(Side.SELL, Kind.LIMIT_MAKER, lots=lots, price_ticks=6_000_060),
        floor.request(Side.SELL, Kind.STOP_MARKET, lots=lots, trigger_ticks=5_999_960),
        "bracket",
        floor.now_ns,
    )
    above, below = (floor.venue.find_order("a", SYMBOL, order_id=i) for i in order_list.order_ids)
    return above, below


def test_a_list_locks_once(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal("0.01"))
    assert above.list_id == below.list_id > 0
    lists = [o for o in market_floor.venue.drain() if isinstance(o, ListUpdate)]
    assert [one.order_list.done for one in lists] == [False]


def test_a_buy_list_locks_the_larger_leg(market_floor: Floor) -> None:
    market_floor.venue.place_oco(
        "a",
        market_floor.request(
            Side.BUY, Kind.STOP_LIMIT, lots=1_000, trigger_ticks=6_000_050, price_ticks=6_000_070
        ),
        market_floor.request(Side.BUY, Kind.LIMIT_MAKER, lots=1_000, price_ticks=5_999_000),
        "buy",
        market_floor.now_ns,
    )
    assert market_floor.balance("USDT")[1] == Decimal("600.007")


def test_a_fill_of_the_profit_leg_expires_the_stop(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    market_floor.venue.drain()
    market_floor.hit(Side.BUY, 6_000_060, 6_000)
    market_floor.hit(Side.BUY, 6_000_060, 400)
    assert (above.status, above.filled_lots) == (Status.PARTIALLY_FILLED, 400)
    assert (below.status, below.expiry_reason) == (Status.EXPIRED, "OCO_TRIGGER")
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal("0.006"))
    market_floor.hit(Side.BUY, 6_000_060, 600)
    assert above.status is Status.FILLED
    assert market_floor.venue.order_list("a", above.list_id).done


def test_the_stop_expires_the_profit_leg(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    market_floor.venue.drain()
    market_floor.hit(Side.SELL, 5_999_960, 3_001)
    assert (below.status, above.status) == (Status.FILLED, Status.EXPIRED)
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal(0))
    outputs = market_floor.venue.drain()
    done = [o.order_list.done for o in outputs if isinstance(o, ListUpdate)]
    assert done == [True]


def test_cancelling_one_leg_cancels_the_list(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    market_floor.venue.drain()
    market_floor.venue.cancel(
        "a", SYMBOL, market_floor.now_ns, order_id=below.order_id, cancel_client_id="bye"
    )
    assert (above.status, below.status) == (Status.CANCELED, Status.CANCELED)
    assert market_floor.balance("BTC") == (Decimal(10), Decimal(0))
    reports = [o for o in market_floor.venue.drain() if isinstance(o, OrderUpdate)]
    assert [(r.order.order_id, r.cancel_client_id) for r in reports] == [
        (below.order_id, "bye"),
        (above.order_id, ""),
    ]


@pytest.mark.parametrize(("profit", "stop"), [(5_999_999, 5_999_000), (6_000_100, 6_000_000)])
def test_a_list_on_the_wrong_side_of_the_price_is_refused(
    market_floor: Floor, profit: int, stop: int
) -> None:
    with pytest.raises(Refusal) as caught:
        market_floor.venue.place_oco(
            "a",
            market_floor.request(Side.SELL, Kind.LIMIT_MAKER, lots=1_000, price_ticks=profit),
            market_floor.request(Side.SELL, Kind.STOP_MARKET, lots=1_000, trigger_ticks=stop),
            "",
            market_floor.now_ns,
        )
    assert caught.value.why is Why.LIST_PRICES
    assert market_floor.balance("BTC") == (Decimal(10), Decimal(0))


# -- cancelling -----------------------------------------------------------------


def test_cancel_gives_back_the_lock_and_empties_the_level(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_000, price_ticks=5_999_995)
    market_floor.venue.drain()
    market_floor.venue.cancel("a", SYMBOL, market_floor.now_ns, order_id=order.order_id)
    assert order.status is Status.CANCELED
    assert market_floor.balance("USDT") == (Decimal(1_000_000), Decimal(0))
    kinds = [type(output) for output in market_floor.venue.drain()]
    assert BalanceUpdate in kinds
    assert Top in kinds


def test_cancel_restriction_spares_a_partly_filled_order(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_000, price_ticks=5_999_995)
    market_floor.hit(Side.SELL, 5_999_995, 1)
    with pytest.raises(Refusal) as caught:
        market_floor.venue.cancel("a", SYMBOL, 0, order_id=order.order_id, only_status=Status.NEW)
    assert caught.value.why is Why.CANCEL_RESTRICTION
    assert order.status is Status.PARTIALLY_FILLED


def test_cancel_knows_only_open_orders_of_the_account(market_floor: Floor) -> None:
    order = market_floor.place(Side.BUY, lots=1_000, price_ticks=5_999_995)
    wrong: list[tuple[str, int | None, str | None]] = [
        ("b", order.order_id, None),
        ("a", None, "nobody"),
        ("a", order.order_id, "nobody"),
        ("a", None, None),
    ]
    for account, order_id, client_id in wrong:
        with pytest.raises(Refusal) as caught:
            market_floor.venue.cancel(account, SYMBOL, 0, order_id=order_id, client_id=client_id)
        assert caught.value.why is Why.UNKNOWN_ORDER
    with pytest.raises(Refusal) as caught:
        market_floor.venue.cancel("a", "NOPE", 0, order_id=order.order_id)
    assert caught.value.why is Why.UNKNOWN_SYMBOL


def test_cancel_all_leaves_nothing_and_then_says_so(market_floor: Floor) -> None:
    market_floor.place(Side.BUY, lots=1_000, price_ticks=5_999_000)
    bracket(market_floor)
    market_floor.place(Side.BUY, account="b", lots=1_000, price_ticks=5_999_000)
    assert len(market_floor.venue.cancel_all("a", SYMBOL, market_floor.now_ns)) == 3
    assert market_floor.venue.open_orders("a") == []
    assert len(market_floor.venue.open_orders("b", SYMBOL)) == 1
    with pytest.raises(Refusal) as caught:
        market_floor.venue.cancel_all("a", SYMBOL, market_floor.now_ns)
    assert caught.value.why is Why.NOTHING_OPEN


# -- self-trade prevention ------------------------------------------------------


@pytest.mark.parametrize(
    ("stp", "maker", "taker"),
    [
        (Stp.EXPIRE_MAKER, Status.EXPIRED_IN_MATCH, Status.NEW),
        (Stp.EXPIRE_TAKER, Status.NEW, Status.EXPIRED_IN_MATCH),
        (Stp.EXPIRE_BOTH, Status.EXPIRED_IN_MATCH, Status.EXPIRED_IN_MATCH),
    ],
)
def test_prevention_ends_by_the_takers_mode(
    market_floor: Floor, stp: Stp, maker: Status, taker: Status
) -> None:
    resting = market_floor.place(Side.SELL, lots=500, price_ticks=6_000_005)
    market_floor.venue.drain()
    crossing = market_floor.place(Side.BUY, lots=500, price_ticks=6_000_005, stp=stp)
    assert (resting.status, crossing.status) == (maker, taker)
    ended = [entry for entry in updates(market_floor) if entry[0] == "TRADE_PREVENTION"]
    assert len(ended) == (2 if stp is Stp.EXPIRE_BOTH else 1)
    assert market_floor.venue.fills("a") == []
    assert market_floor.venue.self_trades() == []


def test_accounts_of_one_owner_count_as_self(market_floor: Floor) -> None:
    market_floor.venue.add_account("a2", {"USDT": Decimal(10_000)}, owner="a")
    market_floor.place(Side.SELL, lots=500, price_ticks=6_000_005)
    taker = market_floor.place(
        Side.BUY, account="a2", lots=500, price_ticks=6_000_005, stp=Stp.EXPIRE_TAKER
    )
    assert taker.status is Status.EXPIRED_IN_MATCH


def test_a_self_trade_without_prevention_is_noted(market_floor: Floor) -> None:
    market_floor.place(Side.SELL, lots=500, price_ticks=6_000_005)
    market_floor.place(Side.BUY, lots=500, price_ticks=6_000_005, stp=Stp.NONE)
    assert [met["quantity"] for met in market_floor.venue.self_trades()] == ["0.00500"]


def test_two_accounts_trade_with_each_other(market_floor: Floor) -> None:
    market_floor.place(Side.SELL, lots=500, price_ticks=6_000_005)
    market_floor.venue.drain()
    market_floor.place(Side.BUY, account="b", lots=500, price_ticks=6_000_005)
    prints = [o for o in market_floor.venue.drain() if isinstance(o, PublicTrade)]
    assert [(p.price_ticks, p.lots, p.aggressor) for p in prints] == [(6_000_005, 500, Side.BUY)]
    assert market_floor.venue.fills("a")[0].trade_id == prints[0].trade_id
    assert market_floor.venue.treasury.house.get("BTC", Decimal(0)) == 0
    assert market_floor.venue.self_trades() == []


def test_the_returned_order_is_the_venues_own_record(
    make_floor: Callable[[], Floor],
) -> None:
    floor = make_floor()
    floor.around()
    order = floor.place(Side.BUY, lots=1_000, price_ticks=5_999_995)
    reported = next(o.order for o in floor.venue.drain() if isinstance(o, OrderUpdate))
    floor.hit(Side.SELL, 5_999_995, 1_000)
    assert order.status is Status.FILLED
    assert reported.status is Status.NEW
