"""Known examples of every order type, refusal and end of an order."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import (
    BalanceUpdate,
    Kind,
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
    market_floor.place(Side.SELL, lots=1_000, price_ticks=6_001_000)
    market_floor.place(Side.SELL, Kind.STOP_MARKET, lots=1_000, trigger_ticks=5_999_000)
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
