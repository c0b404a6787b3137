"""A stop is one order to us and two at the venue (binance.md §10.4): one id to the fill."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.events import Event, Filled, OrderReported
from obiterm.core.values import NS_PER_MS, ClientOrderId, OrderKind, OrderState, Side, VenueOrderId
from obiterm.venues.binance.futures import (
    Ask,
    Asked,
    ConditionalOrders,
    OrderRequests,
    RestCodec,
    Signer,
    TradeSession,
    UserSession,
)
from obiterm.venues.binance.futures.conditional import READS_LAG_NS, Conditional
from obiterm.venues.binance.futures.user_session import HOLD_NS
from tests.unit.venues_binance_futures.perp import (
    AT,
    BTC,
    KEY,
    MINE,
    NOW_MS,
    NOW_NS,
    PERP,
    STOP,
    algo_event,
    algo_reply,
    approved,
    body,
    order_event,
    order_reply,
    stop_order,
)

FIRED = 88937381063
"""Id of the normal order that the stop becomes."""


class Account:
    """The sessions of one account, sharing what they know of conditional orders."""

    def __init__(self) -> None:
        self.conditionals = ConditionalOrders()
        markets = {BTC: PERP}
        self.trade = TradeSession(KEY, markets, self.conditionals)
        self.user = UserSession(markets, self.conditionals)
        self.codec = RestCodec(markets, self.conditionals)
        self.requests = OrderRequests(Signer(KEY), self.conditionals)

    def place(self) -> Asked:
        asked, _ = self.requests.place(stop_order(), PERP, NOW_MS)
        return asked


@pytest.fixture
def account() -> Account:
    return Account()


def fired(client_id: str = STOP, **changes: object) -> bytes:
    """An event of the normal order that the stop became."""
    told: dict[str, Any] = {
        "c": client_id, "S": "SELL", "o": "MARKET", "ot": "STOP_MARKET", "i": FIRED, "p": "0",
        "sp": "59000", "R": True,
    }  # fmt: skip
    return order_event(**{**told, **changes})


def filled(client_id: str = STOP, **changes: object) -> bytes:
    told = {"x": "TRADE", "X": "FILLED", "l": "0.123", "z": "0.123", "L": "58999", "t": 5, "n": "1"}
    return fired(client_id, **{**told, **changes})


def states(events: Iterable[Event]) -> list[OrderState]:
    return [event.state for event in events if isinstance(event, OrderReported)]


def ids(events: Iterable[Event]) -> set[ClientOrderId]:
    return {event.client_id for event in events if isinstance(event, OrderReported | Filled)}


def test_the_reply_shows_the_waiting_stop(account: Account) -> None:
    outcome = account.codec.outcome(account.place(), 200, body(algo_reply()), AT)
    assert outcome.events == [
        OrderReported(
            symbol=BTC,
            client_id=STOP,
            venue_id=VenueOrderId("algo-2146760"),
            state=OrderState.OPEN,
            side=Side.SELL,
            kind=OrderKind.STOP_MARKET,
            lots=123,
            filled_lots=0,
            price_ticks=0,
            trigger_ticks=590_000,
            event_ns=1750485492076 * NS_PER_MS,
            received_ns=AT,
        )
    ]


def test_from_placing_to_fill_under_one_id(account: Account) -> None:
    account.place()
    events: list[Event] = []
    for frame in (
        algo_event(),
        algo_event(X="TRIGGERING", tt=1),
        fired(),
        algo_event(X="TRIGGERED", ai=str(FIRED), act="MARKET", tt=1),
        filled(X="PARTIALLY_FILLED", l="0.023", z="0.023", t=4),
        filled(l="0.100"),
        algo_event(X="FINISHED", ai=str(FIRED), aq="0.123", ap="58999"),
    ):
        events += account.user.receive(frame, AT)
    assert ids(events) == {STOP}
    assert states(events) == [
        OrderState.OPEN,
        OrderState.OPEN,
        OrderState.OPEN,
        OrderState.OPEN,
        OrderState.PARTIAL,
        OrderState.FILLED,
        OrderState.FILLED,
    ]
    fills = [event for event in events if isinstance(event, Filled)]
    assert [(fill.trade_id, fill.lots) for fill in fills] == [(4, 23), (5, 100)]
    assert {fill.venue_id for fill in fills} == {VenueOrderId(str(FIRED))}
    reports = [event for event in events if isinstance(event, OrderReported)]
    assert {event.kind for event in reports} == {OrderKind.STOP_MARKET}
    assert {event.trigger_ticks for event in reports} == {590_000}
    assert [event.venue_id for event in reports][:3] == [
        VenueOrderId("algo-2146760"),
        VenueOrderId("algo-2146760"),
        VenueOrderId(str(FIRED)),
    ]


def life(client_id: str) -> list[bytes]:
    """All that is told of a stop that fires and fills in two parts."""
    return [
        algo_event(),
        algo_event(X="TRIGGERED", ai=str(FIRED)),
        fired(client_id),
        filled(client_id, X="PARTIALLY_FILLED", l="0.023", z="0.023", t=4),
        filled(client_id, l="0.100"),
        algo_event(X="FINISHED", ai=str(FIRED), aq="0.123"),
    ]


@given(
    order=st.permutations(range(6)),
    client_id=st.sampled_from([str(STOP), "android_9xTz", ""]),
    twice=st.sets(st.integers(0, 5)),
)
def test_any_order_of_messages_ends_filled_with_every_fill_once(
    order: list[int], client_id: str, twice: set[int]
) -> None:
    """The venue promises neither the order of the two streams nor the second order's id."""
    account = Account()
    account.place()
    frames = life(client_id)
    events: list[Event] = []
    for at in order:
        for _ in range(2 if at in twice else 1):
            events += account.user.receive(frames[at], AT)
    assert ids(events) == {STOP}
    fills = {e.trade_id: e.lots for e in events if isinstance(e, Filled)}
    assert fills == {4: 23, 5: 100}
    assert states(events)[-1] is OrderState.FILLED
    stop = account.conditionals.of_client(STOP)
    assert stop is not None
    assert (stop.state, stop.filled_lots) == (OrderState.FILLED, 123)


def test_an_order_under_another_id_waits_for_the_word_that_it_is_ours(account: Account) -> None:
    account.place()
    account.user.receive(algo_event(), AT)
    assert account.user.receive(fired("x"), AT) == []
    assert account.user.receive(filled("x"), AT) == []
    events = account.user.receive(algo_event(X="TRIGGERED", ai=str(FIRED)), AT)
    assert ids(events) == {STOP}
    assert states(events)[-1] is OrderState.FILLED
    assert sum(isinstance(event, Filled) for event in events) == 1


def test_somebody_elses_order_is_let_go_soon(account: Account) -> None:
    account.place()
    assert account.user.receive(filled("by-hand"), AT) == []
    assert account.user.expire(AT + HOLD_NS - 1) == []
    events = account.user.expire(AT + HOLD_NS)
    assert ids(events) == {ClientOrderId("by-hand")}
    assert states(events) == [OrderState.FILLED]
    assert account.user.expire(AT + 2 * HOLD_NS) == []


def test_what_is_held_is_not_lost_with_the_connection(account: Account) -> None:
    account.place()
    account.user.connected(AT)
    assert account.user.receive(filled("by-hand"), AT) == []
    assert ids(account.user.lost(AT)) == {ClientOrderId("by-hand")}


@pytest.mark.parametrize("change", [{"S": "BUY"}, {"q": "0.124"}, {"c": str(MINE)}])
def test_what_cannot_be_the_stop_is_not_held(account: Account, change: dict[str, str]) -> None:
    """Another side, another size, or an order that we placed as a normal one."""
    account.place()
    account.requests.place(approved(), PERP, NOW_MS)
    frame = fired(**{"client_id": change.pop("c", "by-hand"), **change})
    assert states(account.user.receive(frame, AT)) == [OrderState.OPEN]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("CANCELED", OrderState.CANCELLED),
        ("EXPIRED", OrderState.EXPIRED),
        ("REJECTED", OrderState.REJECTED),
        ("ADDED_IN_2027", OrderState.UNKNOWN),
    ],
)
def test_ends_without_an_order(account: Account, status: str, state: OrderState) -> None:
    account.place()
    [event] = account.user.receive(algo_event(X=status, rm="Margin is insufficient."), AT)
    assert isinstance(event, OrderReported)
    assert event.state is state
    told = state in (OrderState.EXPIRED, OrderState.REJECTED)
    assert event.text == ("Margin is insufficient." if told else "")


def test_finished_without_the_size_must_be_asked_about(account: Account) -> None:
    """FINISHED does not say whether the normal order filled or was cancelled."""
    account.place()
    [event] = account.user.receive(algo_event(X="FINISHED", ai=str(FIRED), aq="0.023"), AT)
    assert isinstance(event, OrderReported)
    assert (event.state, event.filled_lots) == (OrderState.UNKNOWN, 23)
    [event] = account.user.receive(fired(x="CANCELED", X="CANCELED", z="0.023"), AT)
    assert isinstance(event, OrderReported)
    assert (event.state, event.filled_lots) == (OrderState.CANCELLED, 23)
    [event] = account.user.receive(algo_event(X="FINISHED", ai=str(FIRED), aq="0.023"), AT)
    assert isinstance(event, OrderReported)
    assert event.state is OrderState.CANCELLED


def test_a_stop_that_closes_the_position_learns_its_size(account: Account) -> None:
    account.user.receive(algo_event(q="0", cp=True), AT)
    events = account.user.receive(filled(), AT)
    events += account.user.receive(algo_event(X="FINISHED", q="0", cp=True, aq="0.123"), AT)
    assert states(events) == [OrderState.FILLED, OrderState.FILLED]
    [report] = [e for e in events if isinstance(e, OrderReported)][:1]
    assert report.lots == 123


def test_two_new_events_of_a_trailing_stop_are_one_order(account: Account) -> None:
    first = account.user.receive(algo_event(ia=False), AT)
    assert account.user.receive(algo_event(ia=True), AT) == first
    assert len(account.conditionals) == 1


# ── by REST ─────────────────────────────────────────────────────────────────


def test_a_cancel_goes_where_the_stop_lives(account: Account) -> None:
    account.place()
    account.user.receive(algo_event(), AT)
    waiting = account.trade.cancel(BTC, STOP, NOW_MS, NOW_NS)
    assert b'"algoOrder.cancel"' in waiting
    assert b'"algoId":"2146760"' in waiting
    account.user.receive(fired(), AT)
    alive = account.trade.cancel(BTC, STOP, NOW_MS, NOW_NS, VenueOrderId("algo-2146760"))
    assert b'"order.cancel"' in alive
    assert f'"orderId":"{FIRED}"'.encode() in alive


def test_a_cancelled_stop_is_told_though_the_reply_has_no_state(account: Account) -> None:
    account.place()
    reply = {"algoId": 2146760, "clientAlgoId": STOP, "code": "200", "msg": "success"}
    outcome = account.codec.outcome(Asked(Ask.CANCEL_ALGO, BTC, STOP), 200, body(reply), AT)
    [event] = outcome.events
    assert isinstance(event, OrderReported)
    assert (event.state, event.client_id, event.lots) == (OrderState.CANCELLED, STOP, 123)
    foreign = {**reply, "algoId": 1, "clientAlgoId": "other"}
    asked = Asked(Ask.CANCEL_ALGO, BTC, ClientOrderId("other"))
    assert account.codec.outcome(asked, 200, body(foreign), AT).events == []


def test_a_query_leads_on_to_the_normal_order(account: Account) -> None:
    asked = Asked(Ask.QUERY_ALGO, BTC, STOP)
    told = algo_reply(algoStatus="FINISHED", actualOrderId=str(FIRED), actualQty="0.123")
    outcome = account.codec.outcome(asked, 200, body(told), AT)
    assert states(outcome.events) == [OrderState.UNKNOWN]
    assert outcome.next_order == VenueOrderId(str(FIRED))
    asked, _ = account.requests.find_normal(BTC, outcome.next_order, NOW_MS)
    normal = order_reply(
        orderId=FIRED, clientOrderId="x", side="SELL", type="MARKET", origType="MARKET",
        status="FILLED", executedQty="0.123",
    )  # fmt: skip
    outcome = account.codec.outcome(asked, 200, body(normal), AT)
    [event] = outcome.events
    assert isinstance(event, OrderReported)
    assert (event.client_id, event.state, event.filled_lots) == (STOP, OrderState.FILLED, 123)
    again = account.codec.outcome(Asked(Ask.QUERY_ALGO, BTC, STOP), 200, body(told), AT)
    assert again.next_order == ""
    assert states(again.events) == [OrderState.FILLED]


NOT_THERE = body({"code": -2013, "msg": "Order does not exist."})


def test_t22_a_stop_shown_just_now_is_not_believed_to_be_gone(account: Account) -> None:
    """Reads lag under load: no second stop for one that is there."""
    account.codec.outcome(account.place(), 200, body(algo_reply()), AT)
    asked = Asked(Ask.QUERY_ALGO, BTC, STOP)
    early = account.codec.outcome(asked, 400, NOT_THERE, AT + READS_LAG_NS - 1)
    assert [type(event).__name__ for event in early.events] == ["OrderOutcomeLost"]
    late = account.codec.outcome(asked, 400, NOT_THERE, AT + READS_LAG_NS)
    assert [type(event).__name__ for event in late.events] == ["OrderNotFound"]


def test_a_stop_that_was_never_shown_is_not_found(account: Account) -> None:
    account.place()
    outcome = account.codec.outcome(Asked(Ask.QUERY_ALGO, BTC, STOP), 400, NOT_THERE, AT)
    assert [type(event).__name__ for event in outcome.events] == ["OrderNotFound"]


def test_open_orders_of_both_books(account: Account) -> None:
    orders = [
        order_reply(timeInForce="GTX", reduceOnly=True, executedQty="0.023", time=7),
        order_reply(symbol="XRPUSDT"),
        order_reply(orderId=FIRED, clientOrderId="x", side="SELL", type="MARKET"),
    ]
    algos = [
        algo_reply(),
        algo_reply(clientAlgoId="two", algoId=2, algoStatus="TRIGGERED", actualOrderId=FIRED),
        algo_reply(clientAlgoId="three", algoId=3, algoStatus="CANCELED"),
        algo_reply(clientAlgoId="four", algoId=4, symbol="XRPUSDT"),
    ]
    live = account.codec.open_orders(body(orders), body(algos), AT)
    assert [(each.client_id, each.venue_id, each.kind) for each in live] == [
        (MINE, "22542179", OrderKind.LIMIT),
        ("two", str(FIRED), OrderKind.STOP_MARKET),
        (STOP, "algo-2146760", OrderKind.STOP_MARKET),
    ]
    first, _, stop = live
    assert (first.post_only, first.reduce_only, first.filled_lots) == (True, True, 23)
    assert (stop.trigger_ticks, stop.reduce_only, stop.lots) == (590_000, True, 123)


def test_trades_of_a_fired_stop_are_ours_after_a_restart(account: Account) -> None:
    past = [algo_reply(algoStatus="FINISHED", actualOrderId=str(FIRED))]
    account.codec.learn_algos(body(past), AT)
    row = {
        "buyer": False, "commission": "0.5", "commissionAsset": "USDT", "id": 5, "maker": False,
        "orderId": FIRED, "price": "58999", "qty": "0.123", "quoteQty": "1", "realizedPnl": "0",
        "side": "SELL", "positionSide": "BOTH", "symbol": "BTCUSDT", "time": 7,
    }  # fmt: skip
    rows = [row, {**row, "id": 6, "orderId": 8}, {**row, "id": 7, "orderId": 9}]
    fills = account.codec.trades(body(rows), {VenueOrderId("8"): MINE}, AT)
    assert [fill.client_id for fill in fills] == [STOP, MINE, ""]
    assert fills[0] == Filled(
        BTC, STOP, VenueOrderId(str(FIRED)), 5, Side.SELL, 589_990, 123, Decimal("0.5"), "USDT",
        False, 7_000_000, AT,
    )  # fmt: skip


def test_a_refused_stop_leaves_nothing_behind(account: Account) -> None:
    refusal = body({"code": -2021, "msg": "Order would immediately trigger."})
    outcome = account.codec.outcome(account.place(), 400, refusal, AT)
    assert [type(event).__name__ for event in outcome.events] == ["OrderRefused"]
    assert account.user.receive(fired("by-hand"), AT) != []


def test_the_memory_is_bounded_and_forgets_only_what_ended() -> None:
    memory = ConditionalOrders(kept=3)
    for number in range(6):
        order = Conditional(
            BTC, ClientOrderId(f"s{number}"), Side.SELL, OrderKind.STOP_MARKET, 1, 0, 1,
            algo_id=str(number), order_id=str(100 + number),
        )  # fmt: skip
        order.told(OrderState.FILLED if number % 2 else OrderState.OPEN, 0, AT)
        memory.add(order)
    assert len(memory) == 3
    kept = {f"s{number}" for number in range(6) if memory.of_client(f"s{number}")}
    assert kept == {"s0", "s2", "s4"}
    assert memory.of_algo("1") is None
    assert memory.of_order("101") is None
    assert memory.of_order("104") is memory.of_client("s4")
