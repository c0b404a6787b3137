"""Approved orders in the venue's words."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import ConfigError, UsageError
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import MarketKind, OrderKind, OrderRole, Side, TimeInForce, VenueOrderId
from obiterm.venues.backpack import (
    AccountRequests,
    Attached,
    CancelKind,
    ClientIds,
    MarketRequests,
    OrderExtras,
    OrderRequests,
    SelfTradePolicy,
)
from obiterm.venues.backpack.order_fields import LAST_PRICE, MARK_PRICE, NO_EXTRAS, order_fields
from tests.unit.venues_backpack.payloads import (
    INSTRUMENTS,
    MINE,
    NOW_MS,
    PERP,
    SOL,
    SOL_PERP,
    approved,
    credentials,
)


def fields(order: ApprovedOrder, extras: OrderExtras = NO_EXTRAS) -> dict[str, Any]:
    instrument = INSTRUMENTS[order.intent.symbol]
    return dict(order_fields(order, instrument, 77, SelfTradePolicy(), extras))


def test_a_post_only_limit_order() -> None:
    assert fields(approved(price_ticks=14_125, post_only=True)) == {
        "symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "timeInForce": "GTC",
        "price": "141.25", "quantity": "0.5", "clientId": 77, "postOnly": True,
        "selfTradePrevention": "RejectTaker",
    }  # fmt: skip


@pytest.mark.parametrize("time_in_force", TimeInForce)
def test_time_in_force_is_always_said(time_in_force: TimeInForce) -> None:
    told = fields(approved(price_ticks=1, time_in_force=time_in_force))
    assert told["timeInForce"] == time_in_force.value
    assert "postOnly" not in told


def test_a_reducing_market_order_of_a_perpetual() -> None:
    order = approved(side=Side.SELL, kind=OrderKind.MARKET, role=OrderRole.EXIT, reduce_only=True)
    assert fields(order) == {
        "symbol": "SOL_USDC_PERP", "side": "Ask", "orderType": "Market", "quantity": "0.5",
        "clientId": 77, "reduceOnly": True, "selfTradePrevention": "RejectMaker",
    }  # fmt: skip


def test_spot_has_no_reduce_only() -> None:
    order = approved(symbol=SOL, kind=OrderKind.MARKET, reduce_only=True)
    assert "reduceOnly" not in fields(order)


def test_a_stop_has_its_size_in_the_trigger_and_no_quantity() -> None:
    stop = approved(
        side=Side.SELL, kind=OrderKind.STOP_MARKET, role=OrderRole.STOP, trigger_ticks=13_950,
        reduce_only=True,
    )  # fmt: skip
    assert fields(stop) == {
        "symbol": "SOL_USDC_PERP", "side": "Ask", "orderType": "Market", "triggerPrice": "139.5",
        "triggerQuantity": "0.5", "triggerBy": MARK_PRICE, "reduceOnly": True, "clientId": 77,
        "selfTradePrevention": "RejectMaker",
    }  # fmt: skip


def test_a_spot_stop_is_fired_by_the_last_price() -> None:
    stop = approved(symbol=SOL, kind=OrderKind.STOP_MARKET, trigger_ticks=1)
    assert fields(stop)["triggerBy"] == LAST_PRICE


def test_a_stop_may_follow_the_position_and_rest_as_a_limit() -> None:
    stop = approved(kind=OrderKind.STOP_MARKET, trigger_ticks=13_950)
    extras = OrderExtras(trigger_share="100%", trigger_by="IndexPrice", stop_limit_ticks=13_900)
    told = fields(stop, extras)
    assert told["triggerQuantity"] == "100%"
    assert told["triggerBy"] == "IndexPrice"
    assert (told["orderType"], told["price"]) == ("Limit", "139")


def test_attached_stop_and_take_profit() -> None:
    extras = OrderExtras(
        stop_loss=Attached(13_900), take_profit=Attached(15_000, 14_990, LAST_PRICE)
    )
    told = fields(approved(price_ticks=14_125), extras)
    assert told["stopLossTriggerPrice"] == "139"
    assert told["stopLossTriggerBy"] == MARK_PRICE
    assert "stopLossLimitPrice" not in told
    assert told["takeProfitTriggerPrice"] == "150"
    assert told["takeProfitLimitPrice"] == "149.9"
    assert told["takeProfitTriggerBy"] == LAST_PRICE


def test_lending_flags_can_be_said_and_unsaid_on_spot() -> None:
    extras = OrderExtras(
        auto_borrow=False, auto_borrow_repay=False, auto_lend=True, auto_lend_redeem=True
    )
    told = fields(approved(symbol=SOL, price_ticks=1), extras)
    assert (told["autoBorrow"], told["autoBorrowRepay"]) == (False, False)
    assert (told["autoLend"], told["autoLendRedeem"]) == (True, True)


def test_nothing_is_borrowed_unasked() -> None:
    told = fields(approved(symbol=SOL, price_ticks=1))
    assert not [name for name in told if name.startswith("auto")]


def test_a_market_order_in_quote_with_a_slippage_limit() -> None:
    extras = OrderExtras(quote_quantity=Decimal("25.50"), slippage_ticks=12)
    told = fields(approved(symbol=SOL, kind=OrderKind.MARKET), extras)
    assert told["quoteQuantity"] == "25.5"
    assert "quantity" not in told
    assert (told["slippageTolerance"], told["slippageToleranceType"]) == ("12", "TickSize")


@pytest.mark.parametrize(
    ("order", "extras"),
    [
        (approved(price_ticks=1), OrderExtras(trigger_share="100%")),
        (approved(price_ticks=1), OrderExtras(slippage_ticks=1)),
        (approved(price_ticks=1), OrderExtras(quote_quantity=Decimal(1))),
        (approved(price_ticks=1), OrderExtras(auto_lend=False)),
        (approved(symbol=SOL, price_ticks=1), OrderExtras(stop_loss=Attached(1))),
    ],
)
def test_extras_that_do_not_fit_are_refused_before_sending(
    order: ApprovedOrder, extras: OrderExtras
) -> None:
    with pytest.raises(UsageError):
        fields(order, extras)


@given(role=st.sampled_from(OrderRole))
def test_what_must_trade_removes_an_own_resting_order(role: OrderRole) -> None:
    """R9 R15: entries are refused, an exit must not die on our own quote."""
    must_trade = role in (OrderRole.STOP, OrderRole.EXIT, OrderRole.PANIC)
    told = fields(approved(price_ticks=1, role=role))
    assert told["selfTradePrevention"] == ("RejectMaker" if must_trade else "RejectTaker")


@given(
    price_ticks=st.integers(1, 2**50),
    lots=st.integers(1, 2**50),
    tick=st.sampled_from(["0.01", "0.00000001", "100", "1", "0.0025", "0.1"]),
    lot=st.sampled_from(["0.01", "0.00000001", "1000", "1", "0.5"]),
)
def test_decimals_are_plain_and_exact(price_ticks: int, lots: int, tick: str, lot: str) -> None:
    instrument = PERP.__class__(
        venue="backpack", symbol=SOL_PERP, kind=MarketKind.PERP, base="SOL", quote="USDC",
        tick_size=Decimal(tick), lot_size=Decimal(lot),
    )  # fmt: skip
    order = approved(price_ticks=price_ticks, lots=lots)
    told = order_fields(order, instrument, 1, SelfTradePolicy())
    for name, exact in (
        ("price", instrument.price(price_ticks)),
        ("quantity", instrument.quantity(lots)),
    ):
        text = told[name]
        assert isinstance(text, str)
        assert Decimal(text) == exact
        assert set(text) <= set("0123456789.")


# ── requests ──────────────────────────────────────────────────────────────────


def orders() -> OrderRequests:
    return OrderRequests(credentials(), ClientIds())


def test_a_cancel_names_exactly_one_id() -> None:
    by_number = json.loads(orders().cancel(SOL_PERP, MINE, NOW_MS).body)
    assert by_number == {"symbol": "SOL_USDC_PERP", "clientId": ClientIds().number(MINE)}
    by_venue = orders().cancel(SOL_PERP, MINE, NOW_MS, VenueOrderId("5406825793"))
    assert json.loads(by_venue.body) == {"symbol": "SOL_USDC_PERP", "orderId": "5406825793"}
    assert (by_venue.method, by_venue.target) == ("DELETE", b"/api/v1/order")
    assert (b"Content-Type", b"application/json; charset=utf-8") in by_venue.headers


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (None, {}),
        (CancelKind.RESTING, {"orderType": "RestingLimitOrder"}),
        (CancelKind.CONDITIONAL, {"orderType": "ConditionalOrder"}),
    ],
)
def test_a_cancel_all_can_take_one_kind_of_orders(
    kind: CancelKind | None, told: dict[str, str]
) -> None:
    request = orders().cancel_all(SOL_PERP, NOW_MS, kind)
    assert json.loads(request.body) == {"symbol": "SOL_USDC_PERP"} | told
    assert (request.method, request.target) == ("DELETE", b"/api/v1/orders")


def test_a_query_has_its_parameters_in_the_line() -> None:
    request = orders().query(SOL_PERP, MINE, NOW_MS)
    number = ClientIds().number(MINE)
    assert request.target == f"/api/v1/order?symbol=SOL_USDC_PERP&clientId={number}".encode()
    assert request.body == b""


def test_the_ids_of_a_batch_are_remembered() -> None:
    ids = ClientIds()
    requests = OrderRequests(credentials(), ids)
    batch = [approved(price_ticks=1), approved(price_ticks=1, client_id="ob-a-1m--")]
    request = requests.place_batch(batch, INSTRUMENTS, NOW_MS)
    assert request.is_order
    numbers = [order["clientId"] for order in json.loads(request.body)]
    assert [ids.text(number) for number in numbers] == [MINE, "ob-a-1m--"]


@pytest.mark.parametrize("count", [0, 21])
def test_a_batch_has_a_size(count: int) -> None:
    with pytest.raises(UsageError, match=f"batch of {count}"):
        orders().place_batch([approved(price_ticks=1)] * count, INSTRUMENTS, NOW_MS)


def test_a_kill_can_end_the_venues_own_strategies() -> None:
    assert orders().strategies(NOW_MS).target == b"/api/v1/strategies"
    request = orders().cancel_strategies(SOL, NOW_MS)
    assert (request.method, json.loads(request.body)) == ("DELETE", {"symbol": "SOL_USDC"})


def test_account_requests() -> None:
    requests = AccountRequests(credentials())
    assert requests.account(NOW_MS).target == b"/api/v1/account"
    assert requests.collateral(NOW_MS).target == b"/api/v1/capital/collateral"
    assert requests.lending(NOW_MS).target == b"/api/v1/borrowLend/positions"
    assert requests.positions(NOW_MS).target == b"/api/v1/position"
    assert requests.positions(NOW_MS, SOL_PERP).target == b"/api/v1/position?symbol=SOL_USDC_PERP"
    limit = requests.order_limit(
        SOL_PERP, Side.BUY, NOW_MS, price="1.5", reduce_only=True, auto_lend_redeem=False
    )
    assert limit.target == (
        b"/api/v1/account/limits/order?symbol=SOL_USDC_PERP&side=Bid&price=1.5"
        b"&reduceOnly=true&autoLendRedeem=false"
    )
    settings = requests.update_account(NOW_MS, leverage_limit="5", auto_lend=False)
    assert settings.method == "PATCH"
    assert json.loads(settings.body) == {"leverageLimit": "5", "autoLend": False}
    every = requests.update_account(NOW_MS, auto_borrow_settlements=True, auto_repay_borrows=False)
    assert json.loads(every.body) == {"autoBorrowSettlements": True, "autoRepayBorrows": False}


def test_history_is_counted_as_history() -> None:
    requests = AccountRequests(credentials())
    fills = requests.fills(
        SOL, NOW_MS, from_ms=1, to_ms=2, venue_id=VenueOrderId("9"), newest_first=False,
        user_only=True, offset=1000,
    )  # fmt: skip
    assert fills.target == (
        b"/wapi/v1/history/fills?symbol=SOL_USDC&limit=1000&offset=1000&sortDirection=Asc"
        b"&from=1&to=2&orderId=9&fillType=User"
    )
    orders_of = requests.order_history(SOL, NOW_MS, venue_id=VenueOrderId("9"), limit=5)
    assert orders_of.target.startswith(b"/wapi/v1/history/orders?symbol=SOL_USDC&limit=5")
    funding = requests.funding_history(None, NOW_MS)
    assert funding.target == (b"/wapi/v1/history/funding?limit=100&offset=0&sortDirection=Desc")
    assert fills.is_history
    assert orders_of.is_history
    assert funding.is_history
    assert not requests.balances(NOW_MS).is_history


def test_public_requests_need_no_key() -> None:
    requests = MarketRequests()
    assert requests.ping().target == b"/api/v1/ping"
    assert requests.server_time().target == b"/api/v1/time"
    assert requests.status().target == b"/api/v1/status"
    assert requests.markets().target == b"/api/v1/markets"
    assert requests.market(SOL).target == b"/api/v1/market?symbol=SOL_USDC"
    assert requests.trades(SOL, 5).target == b"/api/v1/trades?symbol=SOL_USDC&limit=5"
    assert requests.mark_prices().target == b"/api/v1/markPrices"
    assert requests.mark_prices(SOL_PERP).target == b"/api/v1/markPrices?symbol=SOL_USDC_PERP"
    assert requests.funding_rates(SOL_PERP).target == (
        b"/api/v1/fundingRates?symbol=SOL_USDC_PERP&limit=100&offset=0"
    )
    candles = requests.candles(SOL, "3m", 1_752_930_540, 1_752_940_000)
    assert candles.target == (
        b"/api/v1/klines?symbol=SOL_USDC&interval=3m&startTime=1752930540&endTime=1752940000"
    )
    assert requests.candles(SOL, "3m", 1).target.endswith(b"startTime=1")
    older = requests.trade_history(SOL)
    assert older.target == b"/api/v1/trades/history?symbol=SOL_USDC&limit=1000&offset=0"
    assert candles.is_history
    assert older.is_history
    assert not [each for each in (requests.ping(), candles) if each.headers or each.body]


@pytest.mark.parametrize(("wished", "sent"), [(1, 5), (5, 5), (21, 50), (1000, 1000), (5000, 1000)])
def test_a_book_has_one_of_the_venues_depths(wished: int, sent: int) -> None:
    assert MarketRequests().depth(SOL, wished).target == (
        f"/api/v1/depth?symbol=SOL_USDC&limit={sent}".encode()
    )


def test_a_signed_call_without_a_key_says_so() -> None:
    with pytest.raises(ConfigError, match="signed call"):
        AccountRequests(None).balances(NOW_MS)
