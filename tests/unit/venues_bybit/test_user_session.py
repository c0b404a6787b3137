"""The private stream: logon, orders, executions, positions, wallet (bybit.md §9)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    OrderState,
    Side,
    VenueOrderId,
)
from obiterm.venues.bybit import KnownOrders, UserSession, trade_id
from tests.unit.venues_bybit.payloads import (
    AT,
    BOTH,
    KEY,
    MINE,
    NOW_MS,
    NOW_NS,
    PERP,
    SPOT,
    coin_row,
    execution_row,
    order_row,
    position_row,
    private,
    wallet_row,
)

AUTH_OK = b'{"success":true,"ret_msg":"","op":"auth","conn_id":"x"}'


@pytest.fixture
def session() -> UserSession:
    return UserSession(KEY, BOTH)


def join(session: UserSession) -> list[Event]:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(AUTH_OK, AT)
    events: list[Event] = []
    for frame in session.to_send(NOW_NS):
        told = json.loads(frame)
        reply = {"success": True, "ret_msg": "", "op": told["op"], "req_id": told["req_id"]}
        events += session.receive(json.dumps(reply), AT)
    return events


# ── joining ─────────────────────────────────────────────────────────────────


def test_topics_follow_the_answer_to_the_logon(session: UserSession) -> None:
    [frame] = session.logon_frames(NOW_MS, NOW_NS)
    assert json.loads(frame)["op"] == "auth"
    assert session.to_send(NOW_NS) == []
    assert session.receive(AUTH_OK, AT) == []
    [subscribe] = session.to_send(NOW_NS)
    told = json.loads(subscribe)
    assert (told["op"], told["args"]) == ("subscribe", ["order", "execution", "position", "wallet"])
    assert not session.ready
    reply = b'{"success":true,"ret_msg":"","op":"subscribe","conn_id":"x"}'
    [up] = session.receive(reply, AT)
    assert isinstance(up, FeedChanged)
    assert (up.stream, up.up, session.ready) == ("account", True, True)


def test_a_logon_of_the_trade_sockets_kind_is_understood(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(b'{"op":"auth","success":true,"retCode":0,"retMsg":"","connId":"x"}', AT)
    assert session.to_send(NOW_NS)


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        (10003, "Invalid apikey", "never interchangeable"),
        (10004, "error sign!", "secret does not belong"),
        (10010, "Unmatched IP", "address is not on the key's list"),
        (33004, "api key expired", "renew it"),
    ],
)
def test_a_key_that_is_refused_stops_the_account_and_says_what_to_do(
    session: UserSession, code: int, words: str, hint: str
) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    reply = {"op": "auth", "success": False, "retCode": code, "retMsg": words, "connId": "x"}
    session.receive(json.dumps(reply), AT)
    assert session.stopped is not None
    assert (session.stopped.code, session.stopped.text) == (str(code), words)
    assert hint in session.stopped.hint
    assert words in session.must_reconnect
    assert not session.ready


def test_t47_a_logon_that_came_too_late_is_the_clocks_fault(session: UserSession) -> None:
    for _ in range(5):
        session.logon_frames(NOW_MS, NOW_NS)
        session.receive(b'{"success":false,"ret_msg":"Params Error","op":"auth"}', AT)
    assert session.clock_suspect
    assert "Params Error" in session.must_reconnect
    assert session.stopped is None, "a clock can be mended"


def test_words_without_a_code_stop_the_account_in_the_end(session: UserSession) -> None:
    for tries in range(3):
        assert session.stopped is None, tries
        session.logon_frames(NOW_MS, NOW_NS)
        session.receive(b'{"success":false,"ret_msg":"Invalid apikey","op":"auth"}', AT)
    assert session.stopped is not None


def test_silence_after_the_logon_or_a_subscription_asks_for_a_new_connection(
    session: UserSession,
) -> None:
    session.logon_frames(NOW_MS, 0)
    session.to_send(10 * NS_PER_S)
    assert session.must_reconnect == "no answer to the logon"
    session.logon_frames(NOW_MS, 0)
    session.receive(AUTH_OK, AT)
    session.to_send(0)
    session.to_send(10 * NS_PER_S)
    assert "order, execution, position" in session.must_reconnect


def test_a_key_for_spot_alone_may_lack_positions(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(AUTH_OK, AT)
    session.to_send(NOW_NS)
    session.receive(b'{"success":false,"ret_msg":"denied","op":"subscribe","req_id":"s1"}', AT)
    frames = [json.loads(each) for each in session.to_send(NOW_NS)]
    assert [frame["args"] for frame in frames] == [
        ["order"],
        ["execution"],
        ["position"],
        ["wallet"],
    ]
    for frame in frames:
        good = frame["args"] != ["position"]
        reply = {"success": good, "ret_msg": "denied", "op": "subscribe", "req_id": frame["req_id"]}
        session.receive(json.dumps(reply), AT)
    assert session.ready
    assert dict(session.refused) == {"position": "denied"}


def test_without_executions_there_is_no_account_stream(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(AUTH_OK, AT)
    session.to_send(NOW_NS)
    session.receive(b'{"success":false,"ret_msg":"denied","op":"subscribe","req_id":"s1"}', AT)
    for frame in session.to_send(NOW_NS):
        told = json.loads(frame)
        good = told["args"] != ["execution"]
        reply = {"success": good, "ret_msg": "denied", "op": "subscribe", "req_id": told["req_id"]}
        session.receive(json.dumps(reply), AT)
    assert not session.ready
    assert session.must_reconnect == "the venue does not give execution: denied"


def test_a_cut_is_told_once_and_everything_begins_anew(session: UserSession) -> None:
    [up] = join(session)
    assert isinstance(up, FeedChanged)
    [down] = session.lost(AT)
    assert isinstance(down, FeedChanged)
    assert not down.up
    assert session.lost(AT) == []
    assert join(session)


def test_a_ping_every_twenty_seconds_and_silence_is_noticed(session: UserSession) -> None:
    join(session)
    assert session.to_send(NOW_NS + 20 * NS_PER_S) == [b'{"op":"ping"}']
    session.receive(b'{"req_id":"","op":"pong","args":["1675418560633"],"conn_id":"x"}', AT)
    assert session.to_send(NOW_NS + 40 * NS_PER_S) == [b'{"op":"ping"}']
    assert not session.must_reconnect
    session.to_send(NOW_NS + 60 * NS_PER_S)
    assert "no answer to a ping" in session.must_reconnect


# ── orders ──────────────────────────────────────────────────────────────────


def report(session: UserSession, **changes: object) -> OrderReported:
    [event] = session.receive(private("order", order_row(**changes)), AT)
    assert isinstance(event, OrderReported)
    return event


def test_an_order_that_rests(session: UserSession) -> None:
    assert report(session) == OrderReported(
        symbol=PERP,
        client_id=MINE,
        venue_id=VenueOrderId("5cf98598-39a7-459e-97bf"),
        state=OrderState.OPEN,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=100,
        filled_lots=0,
        price_ticks=300_005,
        trigger_ticks=0,
        event_ns=1_672_364_262_457 * NS_PER_MS,
        received_ns=AT,
    )


def test_the_same_name_in_two_categories_is_two_markets(session: UserSession) -> None:
    spot = order_row(category="spot", orderId="17", qty="0.5", price="30000.55")
    frame = private("order", order_row(), spot)
    linear, other = session.receive(frame, AT)
    assert isinstance(linear, OrderReported)
    assert isinstance(other, OrderReported)
    assert (linear.symbol, other.symbol) == (PERP, SPOT)
    assert (other.lots, other.price_ticks) == (500_000, 3_000_055)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"orderStatus": "PartiallyFilled", "cumExecQty": "0.04"}, OrderState.PARTIAL, ""),
        ({"orderStatus": "Untriggered"}, OrderState.OPEN, ""),
        ({"orderStatus": "Triggered"}, OrderState.OPEN, ""),
        ({"orderStatus": "Filled", "cumExecQty": "0.1"}, OrderState.FILLED, ""),
        ({"orderStatus": "Cancelled", "cancelType": "CancelByUser"}, OrderState.CANCELLED, ""),
        ({"orderStatus": "Deactivated"}, OrderState.CANCELLED, ""),
        (
            {"orderStatus": "Cancelled", "cancelType": "CancelByReduceOnly"},
            OrderState.CANCELLED,
            "CancelByReduceOnly",
        ),
        (
            {"orderStatus": "Cancelled", "cancelType": "CancelBySmp"},
            OrderState.EXPIRED,
            "CancelBySmp",
        ),
        (
            {"orderStatus": "Cancelled", "rejectReason": "EC_PostOnlyWillTakeLiquidity"},
            OrderState.REJECTED,
            "EC_PostOnlyWillTakeLiquidity",
        ),
        (
            {"orderStatus": "Rejected", "rejectReason": "EC_PostOnlyWillTakeLiquidity"},
            OrderState.REJECTED,
            "EC_PostOnlyWillTakeLiquidity",
        ),
        (
            {"orderStatus": "Cancelled", "rejectReason": "EC_NoImmediateQtyToFill"},
            OrderState.EXPIRED,
            "EC_NoImmediateQtyToFill",
        ),
        (
            {"orderStatus": "Rejected", "rejectReason": "EC_Others", "cumExecQty": "0.05"},
            OrderState.CANCELLED,
            "EC_Others",
        ),
        ({"orderStatus": "NewIn2027"}, OrderState.UNKNOWN, ""),
    ],
)
def test_states(
    session: UserSession, changes: dict[str, object], state: OrderState, code: str
) -> None:
    told = report(session, **changes)
    assert (told.state, told.code) == (state, code)


def test_t49_a_partly_filled_spot_market_order_ended_normally(session: UserSession) -> None:
    told = report(
        session,
        category="spot",
        orderType="Market",
        orderStatus="PartiallyFilledCanceled",
        qty="300",
        cumExecQty="0.009998",
        marketUnit="quoteCoin",
        cancelType="UNKNOWN",
        rejectReason="EC_NoError",
    )
    assert (told.state, told.code) == (OrderState.CANCELLED, "")
    assert told.filled_lots == told.lots == 9998, "an amount of quote is no number of coins"
    ours = report(
        session,
        category="spot",
        orderId="2",
        orderType="Market",
        orderStatus="PartiallyFilledCanceled",
        qty="0.01",
        cumExecQty="0.009998",
        marketUnit="baseCoin",
    )
    assert (ours.filled_lots, ours.lots) == (9998, 10_000)


def test_a_stop_is_known_by_its_trigger_also_after_it_fired(session: UserSession) -> None:
    stop = {"orderType": "Market", "triggerPrice": "29000", "price": "0", "side": "Sell"}
    for status in ("Untriggered", "Filled"):
        told = report(session, **stop, orderStatus=status, cumExecQty="0.1", orderId=status)
        assert told.kind is OrderKind.STOP_MARKET
        assert (told.trigger_ticks, told.price_ticks) == (290_000, 0)
    market = report(session, orderType="Market", price="94942.5", orderId="m")
    assert (market.kind, market.price_ticks) == (OrderKind.MARKET, 0)


def test_an_order_that_ended_stays_ended(session: UserSession) -> None:
    """A cancel that lost its race makes a second Filled (bybit.md §9.1)."""
    report(session, orderStatus="Filled", cumExecQty="0.1", updatedTime="1672364262460")
    again = order_row(
        orderStatus="Filled",
        cumExecQty="0.1",
        cancelType="CancelByUser",
        rejectReason="EC_OrigClOrdIDDoesNotExist",
        updatedTime="1672364262470",
    )
    assert session.receive(private("order", again), AT) == []
    late = order_row(orderStatus="PartiallyFilled", cumExecQty="0.05")
    assert session.receive(private("order", late), AT) == []


def test_news_is_a_newer_stamp_or_a_larger_fill(session: UserSession) -> None:
    part = {"orderStatus": "PartiallyFilled", "cumExecQty": "0.04"}
    report(session, **part, updatedTime="1672364262457")
    assert report(session, **part, updatedTime="1672364262457").filled_lots == 40
    more = {**part, "cumExecQty": "0.06"}
    assert report(session, **more, updatedTime="1672364262400").filled_lots == 60
    older = order_row(orderStatus="New", updatedTime="1672364262300")
    assert session.receive(private("order", older), AT) == []


@given(
    st.permutations(
        [
            order_row(orderStatus="New", updatedTime="100"),
            order_row(orderStatus="PartiallyFilled", cumExecQty="0.04", updatedTime="101"),
            order_row(orderStatus="PartiallyFilled", cumExecQty="0.06", updatedTime="101"),
            order_row(orderStatus="Filled", cumExecQty="0.1", updatedTime="102"),
            order_row(orderStatus="Filled", cumExecQty="0.1", updatedTime="103"),
        ]
    )
)
def test_reports_in_any_order_end_filled(rows: list[dict[str, Any]]) -> None:
    session = UserSession(KEY, BOTH)
    told = [
        event
        for row in rows
        for event in session.receive(private("order", row), AT)
        if isinstance(event, OrderReported)
    ]
    ends = [at for at, event in enumerate(told) if event.state.is_final]
    assert len(ends) == 1
    assert ends[0] == len(told) - 1
    assert told[-1].state is OrderState.FILLED


def test_what_is_not_traded_here_is_left_out(session: UserSession) -> None:
    frames = [
        private("order", order_row(symbol="XRPUSDT"), order_row(category="option")),
        private("execution", execution_row(category="inverse"), execution_row(symbol="XRPUSDT")),
        private("position", position_row(category="linear", symbol="XRPUSDT")),
        private("greeks", {"x": 1}),
        private("execution.fast", {"x": 1}),
        b'{"op":"new_in_2027"}',
    ]
    for frame in frames:
        assert session.receive(frame, AT) == []


# ── executions ──────────────────────────────────────────────────────────────


def filled(session: UserSession, **changes: object) -> Filled:
    [event] = session.receive(private("execution", execution_row(**changes)), AT)
    assert isinstance(event, Filled)
    return event


def test_an_execution_is_a_fill_told_once(session: UserSession) -> None:
    frame = private("execution", execution_row())
    assert session.receive(frame, AT) == [
        Filled(
            symbol=PERP,
            client_id=MINE,
            venue_id=VenueOrderId("9aac161b-8ed6-450d-9cab"),
            trade_id=trade_id("0ab1bdf7-4219-438b-b30a-32ec863018f7"),
            side=Side.SELL,
            price_ticks=959_001,
            lots=500,
            fee=Decimal("26.3725275"),
            fee_asset="USDT",
            is_maker=False,
            event_ns=1_746_270_400_353 * NS_PER_MS,
            received_ns=AT,
        )
    ]
    assert session.receive(frame, AT) == []
    session.lost(AT)
    assert session.receive(frame, AT) == [], "the id is remembered over connections"


@pytest.mark.parametrize(("fee", "received"), [("0.75", "-0.75"), ("-0.31", "0.31")])
def test_t35_funding_is_a_payment_and_no_fill(
    session: UserSession, fee: str, received: str
) -> None:
    row = execution_row(execType="Funding", execFee=fee, feeCurrency="", orderLinkId="")
    [event] = session.receive(private("execution", row), AT)
    assert event == FundingPaid(
        symbol=PERP,
        payment_id="0ab1bdf7-4219-438b-b30a-32ec863018f7",
        amount=Decimal(received),
        asset="USDT",
        event_ns=1_746_270_400_353 * NS_PER_MS,
        received_ns=AT,
    )
    assert session.doubt == ""


@pytest.mark.parametrize(
    "kind", ["AdlTrade", "BustTrade", "BlockTrade", "MovePosition", "Delivery"]
)
def test_what_the_venue_did_to_a_position_is_a_fill(session: UserSession, kind: str) -> None:
    told = filled(session, execType=kind, orderLinkId="", execFee="0")
    assert (told.client_id, told.lots) == (ClientOrderId(""), 500)


@pytest.mark.parametrize("kind", ["Settle", "CorporateAction", "UNKNOWN", "NewIn2027"])
def test_what_is_neither_makes_the_position_be_asked_for(session: UserSession, kind: str) -> None:
    assert session.receive(private("execution", execution_row(execType=kind)), AT) == []
    assert kind in session.doubt
    session.doubt = ""
    assert session.doubt == ""


def test_our_id_is_remembered_where_the_venue_leaves_it_out(session: UserSession) -> None:
    report(session, orderId="77")
    told = filled(session, orderId="77", orderLinkId="", isMaker=True)
    assert (told.client_id, told.is_maker) == (MINE, True)


@pytest.mark.parametrize(
    ("changes", "asset"),
    [
        ({"category": "linear", "feeCurrency": ""}, "USDT"),
        ({"category": "spot", "side": "Buy", "feeCurrency": ""}, "BTC"),
        ({"category": "spot", "side": "Sell", "feeCurrency": ""}, "USDT"),
        ({"category": "spot", "side": "Buy", "feeCurrency": "", "isMaker": True}, "BTC"),
        (
            {
                "category": "spot",
                "side": "Buy",
                "feeCurrency": "",
                "isMaker": True,
                "feeRate": "-0.0001",
            },
            "USDT",
        ),
        (
            {
                "category": "spot",
                "side": "Sell",
                "feeCurrency": "",
                "isMaker": True,
                "feeRate": "-0.0001",
            },
            "BTC",
        ),
        ({"category": "spot", "side": "Buy", "feeCurrency": "MNT"}, "MNT"),
    ],
)
def test_the_coin_of_a_fee(session: UserSession, changes: dict[str, object], asset: str) -> None:
    assert filled(session, **changes).fee_asset == asset


def test_several_executions_in_a_frame(session: UserSession) -> None:
    rows = [execution_row(execId=f"e-{n}", execQty="0.1") for n in (1, 2, 1, 3)]
    events = session.receive(private("execution", *rows), AT)
    assert [event.trade_id for event in events if isinstance(event, Filled)] == [
        trade_id("e-1"),
        trade_id("e-2"),
        trade_id("e-3"),
    ]


# ── positions and wallet ────────────────────────────────────────────────────


def held(session: UserSession, **changes: object) -> list[Event]:
    row = position_row(category="linear", **{"entryPrice": "50000", **changes})
    del row["avgPrice"]
    return session.receive(private("position", row), AT)


def test_a_position_and_only_its_changes(session: UserSession) -> None:
    long = PositionReported(
        symbol=PERP,
        lots=500,
        entry_price=Decimal(50000),
        mark_price=Decimal("50500.00"),
        liquidation_price=Decimal("45000.00"),
        unrealised_quote=Decimal("250.00"),
        event_ns=1_697_673_600_012 * NS_PER_MS,
        received_ns=AT,
    )
    assert held(session) == [long]
    assert held(session, updatedTime="1697673600099", seq=9) == [], "trap 13: no flood"
    [short] = held(session, side="Sell", size="0.3")
    assert isinstance(short, PositionReported)
    assert short.lots == -300
    [flat] = held(session, side="", size="0", liqPrice="", unrealisedPnl="0", entryPrice="0")
    assert isinstance(flat, PositionReported)
    assert (flat.lots, flat.liquidation_price, flat.entry_price) == (0, Decimal(0), Decimal(0))
    session.lost(AT)
    assert held(session, side="", size="0", liqPrice="", unrealisedPnl="0", entryPrice="0")


def test_t39_the_legs_of_a_hedge_account_stay_two(session: UserSession) -> None:
    rows = [
        position_row(category="linear", positionIdx=1, side="Buy", size="0.5"),
        position_row(category="linear", positionIdx=2, side="Sell", size="0.2"),
    ]
    events = session.receive(private("position", *rows), AT)
    told = [(e.leg, e.lots) for e in events if isinstance(e, PositionReported)]
    assert told == [("LONG", 500), ("SHORT", -200)]


def test_what_can_be_spent(session: UserSession) -> None:
    btc = coin_row(coin="BTC", walletBalance="0.5", locked="0.1", totalOrderIM="", bonus="0.05")
    perp = coin_row(coin="USDC", walletBalance="100", totalPositionIM="40", totalOrderIM="20")
    perp["locked"] = "10"
    usdt, coins, dollars = session.receive(
        private("wallet", wallet_row(coin_row(), btc, perp, totalAvailableBalance="9000")), AT
    )
    assert usdt == BalanceChanged("USDT", Decimal(9000), Decimal("684.46"), AT, AT)
    assert coins == BalanceChanged("BTC", Decimal("0.35"), Decimal("0.15"), AT, AT)
    assert dollars == BalanceChanged("USDC", Decimal(30), Decimal(70), AT, AT)
    assert session.account is not None
    assert session.account.available == 9000


def test_isolated_margin_tells_no_total_and_nothing_is_below_zero(session: UserSession) -> None:
    coin = coin_row(walletBalance="100", locked="0", totalOrderIM="80", totalPositionIM="40")
    [told] = session.receive(
        private("wallet", wallet_row(coin, totalAvailableBalance="", totalEquity=None)), AT
    )
    assert told == BalanceChanged("USDT", Decimal(0), Decimal(100), AT, AT)
    assert session.account is not None
    assert session.account.available is None
    [owed] = session.receive(
        private("wallet", wallet_row(coin_row(walletBalance="-5", locked="0"))), AT
    )
    assert owed == BalanceChanged("USDT", Decimal(0), Decimal(0), AT, AT)


# ── tolerance ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("empty", ["", None, "0"])
def test_every_way_of_saying_nothing_is_nothing(session: UserSession, empty: str | None) -> None:
    names = ("avgPrice", "triggerPrice", "cumExecQty", "marketUnit", "rejectReason", "cancelType")
    told = report(session, **dict.fromkeys(names, empty), orderId=f"x{empty}")
    assert (told.filled_lots, told.trigger_ticks, told.state) == (0, 0, OrderState.OPEN)


def test_missing_fields_are_nothing_too(session: UserSession) -> None:
    bare = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderId": "1",
        "orderStatus": "New",
        "side": "Buy",
    }
    [told] = session.receive(private("order", bare), AT)
    assert isinstance(told, OrderReported)
    assert (told.lots, told.price_ticks, told.client_id) == (0, 0, "")


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b"\xff",
        private("order", order_row(side="Up")),
        private("order", order_row(qty="many")),
        private("order", {"symbol": "BTCUSDT"}),
        private("execution", execution_row(execQty="0.0001")),
        private("execution", execution_row(execTime="yesterday")),
        private("position", position_row(category="linear", side="Both")),
        private("position", position_row(category="linear", positionIdx=7)),
        private("wallet", wallet_row(coin_row(walletBalance="NaN"))),
        b'{"topic":"order","creationTime":1,"data":7}',
    ],
)
def test_what_cannot_be_trusted_is_refused(session: UserSession, frame: bytes) -> None:
    with pytest.raises(DataError):
        session.receive(frame, AT)


def test_memory_is_bounded() -> None:
    known = KnownOrders(kept=2)
    for n in range(5):
        known.learn(VenueOrderId(str(n)), ClientOrderId(f"c{n}"))
    assert [known.client_id(VenueOrderId(str(n))) for n in range(5)] == ["", "", "", "c3", "c4"]
