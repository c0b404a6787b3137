"""The private stream: executions, positions, wallet (bybit.md §9.2, §9.4, §9.5)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.events import (
    BalanceChanged,
    Event,
    Filled,
    FundingPaid,
    PositionReported,
)
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    Side,
    VenueOrderId,
)
from obiterm.venues.bybit import UserSession, trade_id
from tests.unit.venues_bybit.payloads import (
    AT,
    MINE,
    PERP,
    coin_row,
    execution_row,
    order_row,
    position_row,
    private,
    wallet_row,
)


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
    session.receive(private("order", order_row(orderId="77")), AT)
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
