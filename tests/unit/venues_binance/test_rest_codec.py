"""REST replies: markets, books, balances, fees, refusals."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.errors import (
    AccountStopped,
    DataError,
    ObitermError,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from obiterm.core.events import (
    AccountReconciled,
    DepthSnapshotted,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.values import ClientOrderId, MarketKind, OrderState, Symbol
from obiterm.venues.binance import (
    Ask,
    Asked,
    RestCodec,
    account,
    check,
    commission,
    exchange_info,
    permissions,
    server_time,
)
from tests.unit.venues_binance.payloads import AT, ETH, INSTRUMENT, MINE, order_reply

ETHBTC: dict[str, Any] = {
    "symbol": "ETHBTC",
    "status": "TRADING",
    "baseAsset": "ETH",
    "baseAssetPrecision": 8,
    "quoteAsset": "BTC",
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS"],
    "cancelReplaceAllowed": True,
    "isSpotTradingAllowed": True,
    "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER"],
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.00001000",
            "maxPrice": "922327.00000000",
            "tickSize": "0.00001000",
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": "0.00010000",
            "maxQty": "100000.00000000",
            "stepSize": "0.00010000",
        },
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "974.5", "stepSize": "0"},
        {"filterType": "NOTIONAL", "minNotional": "0.00010000", "maxNotional": "9000000.0"},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 150},
        {"filterType": "NEW_IN_2027", "something": [1]},
    ],
}


def info(**changes: object) -> bytes:
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    ]
    return json.dumps({"rateLimits": limits, "symbols": [{**ETHBTC, **changes}]}).encode()


def test_filters_become_an_instrument() -> None:
    listing = exchange_info(info())
    market = listing.markets[ETH]
    assert market.is_trading
    assert market.cancel_replace
    assert listing.self_trade_modes == {ETH: frozenset({"NONE", "EXPIRE_TAKER"})}
    assert listing.rate_limits[0].limit == 6000
    instrument = listing.instruments[ETH]
    assert (instrument.venue, instrument.kind) == ("binance", MarketKind.SPOT)
    assert (instrument.base, instrument.quote) == ("ETH", "BTC")
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.00001"), Decimal("0.0001"))
    assert (instrument.min_lots, instrument.max_lots) == (1, 1_000_000_000)
    assert instrument.market_max_lots == 9_745_000
    assert (instrument.min_price_ticks, instrument.max_price_ticks) == (1, 92_232_700_000)
    assert instrument.min_notional == Decimal("0.0001")
    assert instrument.max_open_orders == 150


def test_a_market_that_cannot_be_read_closes_no_other() -> None:
    filters = [{"filterType": "LOT_SIZE", "stepSize": "x"}]
    symbols = [{**ETHBTC, "symbol": "NEWBTC", "filters": filters}, ETHBTC]
    listing = exchange_info(json.dumps({"symbols": symbols}).encode())
    assert list(listing.markets) == [ETH]
    assert listing.damaged == {"NEWBTC": "NEWBTC stepSize = 'x' is not a number"}


def test_a_filter_of_zero_is_off() -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0"},
        {"filterType": "LOT_SIZE", "minQty": "0.00000000", "maxQty": "0", "stepSize": "0"},
    ]
    instrument = exchange_info(info(filters=filters)).instruments[ETH]
    assert instrument.tick_size == instrument.lot_size == Decimal("1E-8")
    assert instrument.min_lots == instrument.min_price_ticks == 1
    assert instrument.max_price_ticks == instrument.market_max_lots == 2**53
    assert instrument.min_notional == 0


def test_a_minimum_off_the_step_is_rounded_up() -> None:
    lot = {"filterType": "LOT_SIZE", "minQty": "0.00015", "maxQty": "1", "stepSize": "0.0001"}
    assert exchange_info(info(filters=[lot])).instruments[ETH].min_lots == 2


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY", "NEW_IN_2027"])
def test_only_trading_is_trading(status: str) -> None:
    assert not exchange_info(info(status=status)).markets[ETH].is_trading


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", info(filters=[{"tickSize": "1"}])])
def test_a_damaged_listing_is_refused(body: bytes) -> None:
    with pytest.raises(DataError, match="exchangeInfo"):
        exchange_info(body)


def test_a_book() -> None:
    body = (
        b'{"lastUpdateId":1027024,"bids":[["0.00004","431.0000"]],'
        b'"asks":[["0.00005","12.00000000"]]}'
    )
    codec = RestCodec({ETH: INSTRUMENT})
    assert codec.depth(ETH, body, AT) == DepthSnapshotted(
        ETH, 1027024, [(4, 4_310_000)], [(5, 120_000)], AT, AT
    )
    with pytest.raises(DataError, match="depth of ETHBTC"):
        codec.depth(ETH, body.replace(b"431", b"-31"), AT)


ACCOUNT = json.dumps(
    {
        "makerCommission": 15,
        "canTrade": True,
        "canWithdraw": False,
        "accountType": "SPOT",
        "balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.10000000"}],
        "permissions": ["SPOT"],
        "uid": 354937868,
    }
).encode()


def test_an_account() -> None:
    state = account(ACCOUNT)
    assert state.balances == [("BTC", Decimal("4723846.89208129"), Decimal("0.1"))]
    assert (state.can_trade, state.can_withdraw, state.uid) == (True, False, 354937868)


def test_the_venues_whole_word_on_an_account() -> None:
    codec = RestCodec({ETH: INSTRUMENT})
    orders = json.dumps([order_reply(time=7)]).encode()
    told = codec.reconciled(ACCOUNT, orders, AT)
    assert isinstance(told, AccountReconciled)
    assert told.balances == account(ACCOUNT).balances
    assert [order.client_id for order in told.open_orders] == [MINE]


def fees(**changes: object) -> bytes:
    told: dict[str, object] = {
        "symbol": "BTCUSDT",
        "standardCommission": {
            "maker": "0.00100000", "taker": "0.00100000", "buyer": "0", "seller": "0",
        },
        "specialCommission": {"maker": "0", "taker": "0.0001", "buyer": "0", "seller": "0"},
        "taxCommission": {"maker": "0", "taker": "0", "buyer": "0.0002", "seller": "0"},
        "discount": {
            "enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB",
            "discount": "0.75000000",
        },
    }  # fmt: skip
    return json.dumps({**told, **changes}).encode()


def test_fees_are_the_sum_of_what_is_charged() -> None:
    told = commission(fees())
    assert (told.maker, told.taker) == (Decimal("0.0012"), Decimal("0.0013"))
    assert told.discount_asset == "BNB"
    assert (told.discounted_maker, told.discounted_taker) == (
        Decimal("0.00095"),
        Decimal("0.00105"),
    )


@pytest.mark.parametrize("switched_off", ["enabledForAccount", "enabledForSymbol"])
def test_a_discount_that_is_switched_off_is_none(switched_off: str) -> None:
    discount = {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB"}
    told = commission(fees(discount={**discount, switched_off: False, "discount": "0.75"}))
    assert told.discount_asset == ""
    assert told.discounted_taker == told.taker


def test_time_and_permissions() -> None:
    assert server_time(b'{"serverTime":1499827319559}') == 1499827319559
    told = permissions(b'{"ipRestrict":false,"enableWithdrawals":true,"createTime":1}')
    assert told.enable_withdrawals
    assert not told.ip_restrict


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, -1121, Refused),
        (400, -1021, RetryLater),
        (429, -1003, RetryLater),
        (418, -1003, RetryLater),
        (401, -2015, AccountStopped),
        (400, -1022, AccountStopped),
        (410, 0, AccountStopped),
        (504, -1007, OutcomeUnknown),
        (502, 0, OutcomeUnknown),
        (403, 0, RetryLater),
    ],
)
def test_r13_refusals_keep_the_venues_words(
    status: int, code: int, error: type[ObitermError]
) -> None:
    body = json.dumps({"code": code, "msg": "The venue's words."}).encode() if code else b"<html>"
    with pytest.raises(error) as refused:
        check(status, {"retry-after": "7"}, body)
    shown = str(refused.value)
    assert str(code or status) in shown
    assert ("The venue's words." if code else f"HTTP {status}") in shown
    if isinstance(refused.value, RetryLater):
        assert refused.value.retry_after_ms == 7000


def test_success_is_no_error() -> None:
    check(200, {}, b"{}")


def test_orders_by_rest_mean_the_same_as_by_socket() -> None:
    codec = RestCodec({ETH: INSTRUMENT})
    asked = Asked(Ask.PLACE, ETH, MINE)
    [told] = codec.outcome(asked, 200, json.dumps(order_reply()).encode(), AT).events
    assert isinstance(told, OrderReported)
    assert told.state is OrderState.OPEN
    refusal = b'{"code":-2010,"msg":"Account has insufficient balance for requested action."}'
    [refused] = codec.outcome(asked, 400, refusal, AT).events
    assert isinstance(refused, OrderRefused)
    assert refused.code == "-2010"
    [lost] = codec.outcome(asked, 502, b"<html>Bad gateway</html>", AT).events
    assert isinstance(lost, OrderOutcomeLost)
    old = Asked(Ask.CANCEL, ETH, ClientOrderId("old"))
    [cancelled] = codec.outcome(
        old, 200, json.dumps(order_reply(origClientOrderId="old", status="CANCELED")).encode(), AT
    ).events
    assert isinstance(cancelled, OrderReported)
    assert (cancelled.client_id, cancelled.state) == ("old", OrderState.CANCELLED)


# ── payloads recorded from the venue ────────────────────────────────────────


def recorded(shared_data: Path, path: str) -> list[Any]:
    with gzip.open(shared_data / "payloads" / "binance_http_recorded.json.gz") as file:
        rows = json.load(file)
    return [row["response"] for row in rows if row["path"] == path]


@pytest.mark.captures
def test_recorded_markets(shared_data: Path) -> None:
    [body] = recorded(shared_data, "/api/v3/exchangeInfo")
    listing = exchange_info(json.dumps(body).encode())
    assert len(listing.markets) == 25
    for symbol, market in listing.markets.items():
        instrument = market.instrument
        assert instrument.symbol == symbol
        assert instrument.tick_size > 0
        assert instrument.min_lots <= instrument.market_max_lots <= instrument.max_lots
        assert instrument.min_notional > 0
        assert "EXPIRE_TAKER" in market.self_trade_modes


@pytest.mark.captures
def test_recorded_books_and_accounts(shared_data: Path) -> None:
    [market] = [
        told
        for told in recorded(shared_data, "/api/v3/exchangeInfo")[0]["symbols"]
        if told["symbol"] == "BTCUSDT"
    ]
    listing = exchange_info(json.dumps({"symbols": [market]}).encode())
    codec = RestCodec(listing.instruments)
    for body in recorded(shared_data, "/api/v3/depth"):
        book = codec.depth(Symbol("BTCUSDT"), json.dumps(body).encode(), AT)
        assert book.bids == sorted(book.bids, reverse=True)
        assert book.asks == sorted(book.asks)
        assert book.bids[0] < book.asks[0]
    for body in recorded(shared_data, "/api/v3/account"):
        assert account(json.dumps(body).encode()).balances
