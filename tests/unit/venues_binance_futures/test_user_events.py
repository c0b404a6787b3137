"""The user data stream: orders, fills, positions, balances, funding, warnings."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import (
    BalanceChanged,
    Event,
    FeedChanged,
    Filled,
    FundingPaid,
    OrderReported,
    PositionReported,
)
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    RefusalKind,
    Side,
    VenueOrderId,
)
from obiterm.venues.binance.futures import ConditionalOrders, RestCodec, UserSession, Wallet
from tests.unit.venues_binance_futures.perp import AT, BNB, BTC, MINE, PERP, body, order_event

Kind = TypeVar("Kind")

MARKETS = {each.symbol: each for each in (PERP, BNB)}
ORDER_AT = 1568879465650 * NS_PER_MS


@pytest.fixture
def user() -> UserSession:
    return UserSession(MARKETS, ConditionalOrders())


def reported(state: OrderState, **changes: Any) -> OrderReported:
    told: dict[str, Any] = {
        "symbol": BTC,
        "client_id": MINE,
        "venue_id": VenueOrderId("22542179"),
        "state": state,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "lots": 123,
        "filled_lots": 0,
        "price_ticks": 600_005,
        "trigger_ticks": 0,
        "event_ns": ORDER_AT,
        "received_ns": AT,
    }
    return OrderReported(**{**told, **changes})


def account_update(reason: str, **parts: Any) -> bytes:
    told = {"m": reason, **parts}
    return body({"e": "ACCOUNT_UPDATE", "E": 1564745798939, "T": 1564745798938, "a": told})


def of(kind: type[Kind], events: list[Event]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


# ── orders ──────────────────────────────────────────────────────────────────


def test_a_new_order(user: UserSession) -> None:
    assert user.receive(order_event(), AT) == [reported(OrderState.OPEN)]


def test_a_fill_comes_before_the_state(user: UserSession) -> None:
    frame = order_event(
        x="TRADE", X="PARTIALLY_FILLED", l="0.100", z="0.100", L="60000.4", t=12345678, n="0.01",
        m=True,
    )  # fmt: skip
    assert user.receive(frame, AT) == [
        Filled(
            symbol=BTC,
            client_id=MINE,
            venue_id=VenueOrderId("22542179"),
            trade_id=12345678,
            side=Side.BUY,
            price_ticks=600_004,
            lots=100,
            fee=Decimal("0.01"),
            fee_asset="USDT",
            is_maker=True,
            event_ns=ORDER_AT,
            received_ns=AT,
        ),
        reported(OrderState.PARTIAL, filled_lots=100),
    ]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NEW", OrderState.OPEN),
        ("PARTIALLY_FILLED", OrderState.PARTIAL),
        ("FILLED", OrderState.FILLED),
        ("CANCELED", OrderState.CANCELLED),
        ("REJECTED", OrderState.REJECTED),
        ("EXPIRED", OrderState.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderState.EXPIRED),
        ("ADDED_IN_2027", OrderState.UNKNOWN),
    ],
)
def test_states(user: UserSession, status: str, state: OrderState) -> None:
    [event] = user.receive(order_event(x="ADDED_TOO", X=status), AT)
    met_own = status == "EXPIRED_IN_MATCH"
    refusal = RefusalKind.SELF_TRADE if met_own else RefusalKind.ORDER
    assert event == reported(state, refusal=refusal)


def test_an_expiry_tells_its_reason(user: UserSession) -> None:
    [event] = user.receive(order_event(x="EXPIRED", X="EXPIRED", er="1"), AT)
    words = "self-trade prevented"
    assert event == reported(
        OrderState.EXPIRED, code="1", text=words, refusal=RefusalKind.SELF_TRADE
    )
    [event] = user.receive(order_event(x="EXPIRED", X="EXPIRED", er=99), AT)
    assert event == reported(OrderState.EXPIRED, code="99")


def test_a_post_only_order_that_would_take_ends_with_the_reason(user: UserSession) -> None:
    [event] = user.receive(order_event(x="EXPIRED", X="EXPIRED", f="GTX"), AT)
    words = "post-only order would have taken"
    assert event == reported(
        OrderState.EXPIRED, code="GTX", text=words, refusal=RefusalKind.WOULD_TAKE
    )


def test_numbers_may_come_as_text(user: UserSession) -> None:
    told = json.loads(order_event())
    told["T"], told["o"]["i"] = str(told["T"]), str(told["o"]["i"])
    assert user.receive(body(told), AT) == user.receive(order_event(), AT)


def test_an_order_that_only_fired_lives_on(user: UserSession) -> None:
    [event] = user.receive(order_event(x="EXPIRED", X="EXPIRED", er="8"), AT)
    assert isinstance(event, OrderReported)
    assert event.state is OrderState.OPEN


def test_unknown_fields_and_missing_ones_do_no_harm(user: UserSession) -> None:
    told = json.loads(order_event())
    told["st"], told["o"]["new"] = 1, [{"deep": None}]
    for name in ("er", "N", "n", "gtd", "pm", "V", "t", "l", "L", "ot", "sp", "ps"):
        told["o"].pop(name)
    assert user.receive(body(told), AT) == [reported(OrderState.OPEN)]


def test_orders_on_other_markets_are_nobodys_business(user: UserSession) -> None:
    assert user.receive(order_event(s="XRPUSDT"), AT) == []
    assert user.receive(order_event(s="BTCUSD_PERP"), AT) == []


def test_frames_of_both_paths_are_understood(user: UserSession) -> None:
    wrapped = b'{"stream":"a-listen-key","data":' + order_event() + b"}"
    assert user.receive(wrapped, AT) == user.receive(order_event().decode(), AT)


@pytest.mark.parametrize("name", ["autoclose-1597", "adl_autoclose", "settlement_autoclose-9"])
def test_the_venues_own_closing_orders_are_told_and_booked(user: UserSession, name: str) -> None:
    frame = order_event(
        c=name, x="CALCULATED", X="FILLED", q="0.014", l="0.014", z="0.014", L="9910.1", t=77,
        S="SELL", R=True,
    )  # fmt: skip
    [fill, report] = user.receive(frame, AT)
    assert isinstance(fill, Filled)
    assert (fill.client_id, fill.lots, fill.side) == (ClientOrderId(name), 14, Side.SELL)
    assert isinstance(report, OrderReported)
    assert report.state is OrderState.FILLED
    [warning] = user.take_warnings()
    assert "closes by itself: SELL 0.014 at 9910.1" in warning
    assert user.take_warnings() == []


@pytest.mark.parametrize("status", ["NEW_ADL", "NEW_INSURANCE"])
def test_a_takeover_by_the_insurance_fund_is_a_fill(user: UserSession, status: str) -> None:
    part = order_event(c="autoclose-1", x="CALCULATED", X=status, l="0.1", z="0.1", L="1", t=1)
    whole = order_event(c="autoclose-1", x="CALCULATED", X=status, l="0.123", z="0.123", L="1", t=2)
    states = [e.state for e in user.receive(part, AT) if isinstance(e, OrderReported)]
    assert states == [OrderState.OPEN]
    states = [e.state for e in user.receive(whole, AT) if isinstance(e, OrderReported)]
    assert states == [OrderState.FILLED]


# ── account ─────────────────────────────────────────────────────────────────


def test_positions(user: UserSession) -> None:
    position = {"s": "BTCUSDT", "pa": "-0.020", "ep": "6563.66500", "up": "-1.5", "ps": "BOTH"}
    frame = account_update("ORDER", B=[], P=[position, {**position, "s": "XRPUSDT"}])
    assert user.receive(frame, AT) == [
        PositionReported(
            symbol=BTC,
            lots=-20,
            entry_price=Decimal("6563.66500"),
            mark_price=Decimal("6638.66500"),
            liquidation_price=Decimal(0),
            unrealised_quote=Decimal("-1.5"),
            event_ns=1564745798938 * NS_PER_MS,
            received_ns=AT,
        )
    ]
    assert not user.hedged


def test_t39_hedge_legs_stay_two_positions(user: UserSession) -> None:
    """The documentation's example: nothing one-way, 20 long and 10 short at once."""
    rows = [
        {"s": "BTCUSDT", "pa": "0", "ep": "0.00000", "up": "0", "ps": "BOTH"},
        {"s": "BTCUSDT", "pa": "20", "ep": "6563.6", "up": "2850.21200", "ps": "LONG"},
        {"s": "BTCUSDT", "pa": "-10", "ep": "6563.8", "up": "-1423.15600", "ps": "SHORT"},
    ]
    events = user.receive(account_update("ORDER", B=[], P=rows), AT)
    legs = [(e.leg, e.lots) for e in events if isinstance(e, PositionReported)]
    assert legs == [("", 0), ("LONG", 20_000), ("SHORT", -10_000)]
    assert user.hedged


def test_the_wallet_is_not_what_is_free() -> None:
    """``cw`` is no free margin (binance.md §15): REST tells what is bound."""
    wallet = Wallet()
    user = UserSession(MARKETS, ConditionalOrders(), wallet)
    codec = RestCodec(MARKETS, ConditionalOrders(), wallet)
    frame = account_update("ORDER", B=[{"a": "USDT", "wb": "130", "cw": "999", "bc": "0"}], P=[])
    assert user.receive(frame, AT) == []
    assert user.balances_stale
    rows = [
        {"asset": "USDT", "balance": "122.5", "availableBalance": "100", "updateTime": 9},
        {"asset": "BNB", "balance": "1", "availableBalance": "1.5", "updateTime": 0},
    ]
    assert codec.balances(body(rows), AT) == [
        BalanceChanged("USDT", Decimal(100), Decimal("22.5"), 9_000_000, AT),
        BalanceChanged("BNB", Decimal("1.5"), Decimal(0), AT, AT),
    ]
    assert not wallet.stale
    [event] = user.receive(frame, AT)
    at = 1564745798938 * NS_PER_MS
    assert event == BalanceChanged("USDT", Decimal("107.5"), Decimal("22.5"), at, AT)
    assert user.balances_stale


FUNDING_AT = 1780300800_123


def funding(**more: Any) -> bytes:
    told = {"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "99.9", "cw": "99.9", "bc": "-0.1"}]}
    event = {"e": "ACCOUNT_UPDATE", "E": FUNDING_AT, "T": FUNDING_AT}
    return body({**event, "a": {**told, **more.pop("inside", {})}, **more})


@pytest.mark.parametrize(
    "where",
    [
        {"S": "BTCUSDT"},
        {"inside": {"S": "BTCUSDT"}},
        {"inside": {"P": [{"s": "BTCUSDT", "pa": "1", "ps": "BOTH"}]}},
    ],
)
def test_t35_funding_is_no_fill(user: UserSession, where: dict[str, Any]) -> None:
    events = user.receive(funding(**where), AT)
    assert of(FundingPaid, events) == [
        FundingPaid(
            symbol=BTC,
            payment_id="BTCUSDT:USDT:1780300800000",
            amount=Decimal("-0.1"),
            asset="USDT",
            event_ns=FUNDING_AT * NS_PER_MS,
            received_ns=AT,
        )
    ]
    assert of(Filled, events) == []
    assert not user.funding_unread


def test_funding_of_an_unnamed_market_is_left_to_rest(user: UserSession) -> None:
    assert of(FundingPaid, user.receive(funding(), AT)) == []
    assert user.funding_unread


def test_a_payment_has_one_name_by_stream_and_by_rest(user: UserSession) -> None:
    [by_stream] = of(FundingPaid, user.receive(funding(S="BTCUSDT"), AT))
    rows = [
        {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.10000000",
         "asset": "USDT", "info": "", "time": 1780300800000, "tranId": 9689322392, "tradeId": ""},
        {"symbol": "BTCUSDT", "incomeType": "COMMISSION", "income": "-0.01", "asset": "USDT",
         "time": 1780300800000, "tranId": 9689322393, "tradeId": "5"},
        {"symbol": "", "incomeType": "TRANSFER", "income": "1", "asset": "USDT", "time": 1},
    ]  # fmt: skip
    [by_rest] = RestCodec(MARKETS, ConditionalOrders()).income(body(rows), AT)
    assert by_rest.payment_id == by_stream.payment_id
    assert by_rest.amount == by_stream.amount


# ── the connection ──────────────────────────────────────────────────────────


def test_up_and_down(user: UserSession) -> None:
    assert user.connected(AT) == [FeedChanged("account", True, "user data connected", AT)]
    assert user.ready
    assert user.lost(AT) == [FeedChanged("account", False, "connection cut", AT)]
    assert user.lost(AT) == []


@pytest.mark.parametrize("at", [1736996475556, '"1736996475556"'])
def test_t10_an_expired_key_is_told(user: UserSession, at: object) -> None:
    user.connected(AT)
    frame = f'{{"e":"listenKeyExpired","E":{at},"listenKey":"WsCMN0a4KHUPTQuX6IUnqEZfB1inxmv1"}}'
    [event] = user.receive(frame, AT)
    assert event == FeedChanged("account", False, "the listen key expired", AT)
    assert user.key_expired
    assert user.must_reconnect
    assert not user.ready


def test_warnings(user: UserSession) -> None:
    call = {
        "e": "MARGIN_CALL", "E": 1587727187525, "cw": "3.16812045",
        "p": [{"s": "BTCUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0",
               "mp": "187.17127", "up": "-1.166074", "mm": "1.614445"}],
    }  # fmt: skip
    config = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, "ac": {"s": "BTCUSDT", "l": 25}}
    assert user.receive(body(call), AT) == []
    assert user.receive(body(config), AT) == []
    other = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, "ai": {"j": True}}
    assert user.receive(body(other), AT) == []
    assert user.take_warnings() == [
        "BTCUSDT-PERP: margin call, position 1.327, maintenance 1.61, open result -1.17",
        "BTCUSDT-PERP: leverage was set to 25",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"TRADE_LITE","E":1,"T":1,"s":"BTCUSDT","q":"0.001","p":"1","m":true,"c":"TEST",'
        b'"S":"BUY","L":"1","l":"0.001","t":12345678,"i":8886774}',
        b'{"e":"STRATEGY_UPDATE","T":1,"su":{}}',
        b'{"result":null,"id":1}',
        b"{}",
    ],
)
def test_what_we_do_not_use_is_let_go(user: UserSession, frame: bytes) -> None:
    """TRADE_LITE repeats fills without their fee: booking it would book them twice."""
    assert user.receive(frame, AT) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b"\xff",
        b"",
        b'{"code":-1125,"msg":"This listenKey does not exist."}',
        order_event(S="SIDEWAYS"),
        order_event(z="many"),
        order_event(x="TRADE", l="0.0001", t=1),
        b'{"e":"ORDER_TRADE_UPDATE","T":1}',
        b'{"e":"ALGO_UPDATE","T":1,"o":{}}',
        account_update("ORDER", P=[{"s": "BTCUSDT", "pa": "NaN"}]),
    ],
)
def test_what_cannot_be_trusted_is_refused(user: UserSession, frame: bytes) -> None:
    with pytest.raises(DataError):
        user.receive(frame, AT)
