"""The private streams: an order's life, positions, a subscription that nobody confirms."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.errors import AccountStopped, DataError
from obiterm.core.events import Event, FeedChanged, Filled, OrderReported, PositionReported
from obiterm.core.values import NS_PER_MS, NS_PER_US, OrderKind, OrderState, Side
from obiterm.venues.backpack import ClientIds, UserSession
from tests.unit.venues_backpack.payloads import (
    API_KEY,
    AT,
    ETH,
    ETH_PERP,
    MINE,
    NOW_MS,
    SOL_PERP,
    credentials,
    frame,
    order_update,
    session,
)

SECOND_NS = 1_000 * NS_PER_MS


def ready(ids: ClientIds | None = None) -> UserSession:
    user = session(ids)
    user.logon_frames(NOW_MS, 0)
    user.expire(SECOND_NS, AT)
    return user


def told(**changes: Any) -> list[Event]:
    ids = ClientIds()
    ids.assign(MINE)
    number = ids.number(MINE)
    return ready(ids).receive(order_update(**{"c": number} | changes), AT)


def report(**changes: Any) -> OrderReported:
    event = told(**changes)[-1]
    assert isinstance(event, OrderReported)
    return event


# ── subscribing ───────────────────────────────────────────────────────────────


def test_one_signature_subscribes_orders_and_positions() -> None:
    (sent,) = session().logon_frames(NOW_MS, 0)
    assert json.loads(sent) == {
        "method": "SUBSCRIBE",
        "params": ["account.orderUpdate", "account.positionUpdate"],
        "signature": credentials().subscription(NOW_MS),
    }
    assert json.loads(sent)["signature"][0] == API_KEY


def test_silence_counts_as_consent_after_a_while() -> None:
    user = session()
    assert user.expire(10**18, AT) == []
    user.logon_frames(NOW_MS, 5)
    assert user.expire(SECOND_NS, AT) == []
    (event,) = user.expire(SECOND_NS + 5, AT)
    assert isinstance(event, FeedChanged)
    assert (event.stream, event.up) == ("account", True)
    assert user.ready
    assert user.expire(10 * SECOND_NS, AT) == []


def test_the_first_frame_confirms_at_once() -> None:
    user = session()
    user.logon_frames(NOW_MS, 0)
    first, second = user.receive(order_update(), AT)
    assert isinstance(first, FeedChanged)
    assert first.up
    assert isinstance(second, OrderReported)
    assert len(user.receive(order_update(), AT)) == 1


def test_a_frame_of_another_stream_confirms_nothing() -> None:
    user = session()
    user.logon_frames(NOW_MS, 0)
    assert user.receive(frame("account.rfqUpdate", {"e": "rfqActive"}), AT) == []
    assert user.receive(b'{"id":1,"result":null}', AT) == []
    assert not user.ready
    assert user.ignored == 2


@pytest.mark.parametrize(
    ("words", "stops", "clock"),
    [
        ("Invalid signature", True, False),
        ("Request has expired", False, True),
        ("Invalid stream", False, False),
    ],
)
def test_a_refused_subscription(words: str, stops: bool, clock: bool) -> None:
    user = ready()
    answer = json.dumps({"id": None, "error": {"code": 4006, "message": words}})
    (event,) = user.receive(answer, AT)
    assert isinstance(event, FeedChanged)
    assert not event.up
    assert words in user.must_reconnect
    assert isinstance(user.stopped, AccountStopped) == stops
    assert user.clock_suspect == clock
    assert user.expire(10 * SECOND_NS, AT) == []
    user.logon_frames(NOW_MS, 10 * SECOND_NS)
    assert user.must_reconnect == ""
    assert user.expire(11 * SECOND_NS, AT)


def test_a_cut_connection_is_told_once() -> None:
    user = ready()
    (event,) = user.lost(AT)
    assert event == FeedChanged("account", False, "connection cut", AT)
    assert user.lost(AT) == []
    assert user.expire(10**18, AT) == []


# ── orders ────────────────────────────────────────────────────────────────────


def test_an_accepted_order() -> None:
    assert told() == [
        OrderReported(
            symbol=SOL_PERP, client_id=MINE, venue_id=report().venue_id, state=OrderState.OPEN,
            side=Side.BUY, kind=OrderKind.LIMIT, lots=50, filled_lots=0, price_ticks=14_125,
            trigger_ticks=0, event_ns=1754939110174703 * NS_PER_US, received_ns=AT,
        )
    ]  # fmt: skip
    assert report().venue_id == "5406825793"


def test_a_fill_comes_before_the_state_it_leads_to() -> None:
    """The documented market order: its fee is paid in what was bought."""
    user = ready()
    data = {"e": "orderFill", "E": 1754939110175879, "T": 1754939110174705, "s": "ETH_USDC",
            "i": "5406825793", "S": "Bid", "o": "MARKET", "f": "GTC", "X": "Filled",
            "q": "0.0010", "Q": "4.30", "l": "0.0010", "L": "4299.16", "z": "0.0010",
            "Z": "4.299160", "m": False, "n": "0.000001", "N": "ETH", "t": 2888471,
            "V": "RejectTaker", "r": False, "O": "USER"}  # fmt: skip
    fill, state = user.receive(frame("account.orderUpdate.ETH_USDC", data), AT)
    assert isinstance(fill, Filled)
    assert (fill.symbol, fill.trade_id, fill.price_ticks, fill.lots) == (ETH, 2888471, 429_916, 10)
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (Decimal("0.000001"), "ETH", False)
    assert fill.client_id == ""
    assert isinstance(state, OrderReported)
    assert (state.state, state.filled_lots) == (OrderState.FILLED, 10)
    assert user.balances_due


def test_ids_are_numbers_or_text() -> None:
    fill = {"e": "orderFill", "X": "PartiallyFilled", "l": "0.1", "L": "141.25", "z": "0.1",
            "m": True, "n": "0.01", "N": "USDC"}  # fmt: skip
    number = ClientIds().number(MINE)
    as_text = told(**fill, t="7", i="9", c=str(number))
    assert as_text == told(**fill, t=7, i=9, c=number)
    assert isinstance(as_text[0], Filled)
    assert (as_text[0].client_id, as_text[0].is_maker) == (MINE, True)


@pytest.mark.parametrize("missing", ["t", "l", "L"])
def test_a_fill_that_tells_too_little_is_damaged(missing: str) -> None:
    data = {"e": "orderFill", "X": "Filled", "l": "0.1", "L": "141.25", "z": "0.1", "t": 7}
    with pytest.raises(DataError, match="a fill without"):
        told(**data | {missing: None})


@pytest.mark.parametrize(
    ("event", "status", "state"),
    [
        ("orderAccepted", "New", OrderState.OPEN),
        ("orderModified", "PartiallyFilled", OrderState.PARTIAL),
        ("orderCancelled", "Cancelled", OrderState.CANCELLED),
        ("orderExpired", "Expired", OrderState.EXPIRED),
        ("triggerPlaced", "TriggerPending", OrderState.OPEN),
        ("triggerFailed", "TriggerFailed", OrderState.EXPIRED),
        ("anEventOfNextYear", "AStateOfNextYear", OrderState.UNKNOWN),
    ],
)
def test_an_orders_life(event: str, status: str, state: OrderState) -> None:
    assert report(e=event, X=status).state is state


def test_why_an_order_ended() -> None:
    prevented = report(e="orderExpired", X="Expired", R="SelfTradePrevention")
    assert prevented.code == "SelfTradePrevention"
    assert "own order" in prevented.text
    assert report(e="orderExpired", X="Expired", R="PRICE_BAND").code == "PRICE_BAND"
    assert report(e="triggerFailed", X="TriggerFailed").code == "TriggerFailed"


def test_orders_of_the_system_say_so() -> None:
    assert report(O="LIQUIDATION_AUTOCLOSE", c=None).text == "LIQUIDATION_AUTOCLOSE"
    assert report(O=None).text == ""


def test_a_stop_waits_and_fails() -> None:
    waiting = report(e="triggerPlaced", X="TriggerPending", o="MARKET", q="0", p=None, P="139.5",
                     B="MarkPrice", Y="0.5", S="Ask")  # fmt: skip
    assert (waiting.kind, waiting.side, waiting.lots, waiting.trigger_ticks) == (
        OrderKind.STOP_MARKET, Side.SELL, 50, 13_950,
    )  # fmt: skip
    assert report(e="triggerPlaced", o="MARKET", q="0", P="1", Y="80%").lots == 0


def test_markets_that_are_not_traded_are_left_out() -> None:
    assert told(s="BTC_USDC") == []
    user = ready()
    assert user.receive(frame("account.positionUpdate", {"s": "BTC_USDC_PERP", "q": "1"}), AT) == []


# ── positions ─────────────────────────────────────────────────────────────────

POSITION = {"e": "positionOpened", "E": 1754943862040486, "T": 1754943862040487,
            "s": "ETH_USDC_PERP", "i": 5411399049, "q": "0.0010", "Q": "0.0090",
            "n": "4.23588650933", "B": "4236.36", "b": "4238.479", "M": "4235.88650933",
            "f": "0.02", "m": "0.0125", "p": "0", "P": "-0.000473", "l": "0"}  # fmt: skip


def position(**changes: Any) -> PositionReported:
    (event,) = ready().receive(frame("account.positionUpdate", POSITION | changes), AT)
    assert isinstance(event, PositionReported)
    return event


def test_an_open_position_has_its_own_size_and_entry() -> None:
    assert position() == PositionReported(
        ETH_PERP.symbol, 10, Decimal("4236.36"), Decimal("4235.88650933"), Decimal(0),
        Decimal("-0.000473"), 1754943862040487 * NS_PER_US, AT,
    )  # fmt: skip
    assert position(q="-0.0010", e="positionAdjusted").lots == -10


@pytest.mark.parametrize("size", ["0", "0.0010", "-0.0010"])
def test_a_closed_position_is_flat_whatever_size_it_names(size: str) -> None:
    closed = position(e="positionClosed", q=size)
    assert closed.lots == 0
    assert closed.unrealised_quote == 0


def test_a_snapshot_changes_no_balance() -> None:
    user = ready()
    first = {name: value for name, value in POSITION.items() if name != "e"}
    (event,) = user.receive(frame("account.positionUpdate", first), AT)
    assert isinstance(event, PositionReported)
    assert not user.balances_due
    user.receive(frame("account.positionUpdate", POSITION), AT)
    assert user.balances_due


# ── what cannot be trusted ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[1]", b"\xff", b'{"stream":"account.orderUpdate"}',
        b'{"stream":"account.orderUpdate","data":{"e":"orderAccepted"}}',
        b'{"stream":"account.positionUpdate","data":{"s":"ETH_USDC_PERP"}}',
    ],
)  # fmt: skip
def test_a_damaged_frame_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="account stream"):
        ready().receive(data, AT)


@pytest.mark.parametrize("change", [{"S": "Sideways"}, {"q": "x"}, {"z": "-1"}, {"p": "NaN"}])
def test_damaged_numbers_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(DataError):
        told(**change)


def test_fields_of_next_year_are_let_go() -> None:
    assert told(newField={"deep": [1, None]}, V="RejectEverybody", f="GTX") == told()
