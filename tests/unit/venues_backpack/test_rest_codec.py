"""REST answers as books, candles, balances, margin, positions and markets."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError, OutcomeUnknown
from obiterm.core.events import CandleClosed, DepthSnapshotted, FundingPaid, PositionReported
from obiterm.core.values import NS_PER_MS, NS_PER_S, NS_PER_US, MarketKind, Side
from obiterm.venues.backpack import (
    Margin,
    account,
    capital,
    collateral,
    funding_rates,
    maintenance,
    order_limit,
    server_time,
    spendable,
    with_account,
)
from obiterm.venues.backpack.times import moment_ns
from tests.unit.venues_backpack.payloads import (
    AT,
    ETH_PERP,
    PERP,
    SOL,
    SOL_PERP,
    SPOT,
    body,
    codec,
    order_row,
    refusal,
)

ZERO = Decimal(0)
ACCOUNT = {
    "autoBorrowSettlements": True, "autoLend": True, "autoRealizePnl": True,
    "autoRepayBorrows": True, "borrowLimit": "100000", "futuresMakerFee": "2",
    "futuresTakerFee": "5", "leverageLimit": "10", "limitOrders": 3, "liquidating": False,
    "positionLimit": "5000000", "spotMakerFee": "-0.5", "spotTakerFee": "9.5", "triggerOrders": 1,
}  # fmt: skip
COLLATERAL = {
    "assetsValue": "1000.0", "borrowLiability": "0", "imf": "0.02", "mmf": "0.0125",
    "marginFraction": "0.31", "liabilitiesValue": "0", "netEquity": "1000.0",
    "netEquityAvailable": "384.4", "netEquityLocked": "615.6", "netExposureFutures": "2100.0",
    "pnlUnrealized": "-1.2", "unsettledEquity": "0",
    "collateral": [
        {"symbol": "USDC", "assetMarkPrice": "1", "totalQuantity": "1000", "availableQuantity": "0",
         "lendQuantity": "1000", "openOrderQuantity": "0", "balanceNotional": "1000",
         "collateralWeight": "1", "collateralValue": "1000"},
        {"symbol": "SOL", "lendQuantity": "0"},
    ],
}  # fmt: skip
POSITION = {
    "symbol": "ETH_USDC_PERP", "netQuantity": "0.0036", "netExposureQuantity": "0.0136",
    "netExposureNotional": "13.634885278944", "entryPrice": "3826.8888888888888888888888889",
    "breakEvenPrice": "3831.3630555555555555555555556", "markPrice": "3787.46813304",
    "netCost": "13.7768", "pnlUnrealized": "-0.141914", "pnlRealized": "0",
    "cumulativeFundingPayment": "-0.009218", "cumulativeInterest": "0",
    "estLiquidationPrice": "0", "imf": "0.02", "mmf": "0.0125",
    "imfFunction": {"type": "sqrt", "base": "0.02", "factor": "0.0000935"},
    "mmfFunction": {"type": "sqrt", "base": "0.0125", "factor": "0.0000561"},
    "positionId": "4238420454", "subaccountId": None, "userId": 1813870,
}  # fmt: skip
# ── books, trades, candles, funding ───────────────────────────────────────────


def test_bids_ascend_at_the_venue_and_descend_here() -> None:
    told = {
        "asks": [["118.31", "0.63"], ["118.56", "0.84"]],
        "bids": [["1.0", "0.38"], ["12.9", "1.00"], ["118.30", "2"]],
        "lastUpdateId": "1504999670", "timestamp": 1753102447307501,
    }  # fmt: skip
    assert codec().depth(SOL, body(told), AT) == DepthSnapshotted(
        SOL, 1504999670, [(11830, 200), (1290, 100), (100, 38)], [(11831, 63), (11856, 84)],
        1753102447307501 * NS_PER_US, AT,
    )  # fmt: skip


@given(
    levels=st.dictionaries(st.integers(1, 10**6), st.integers(0, 100), max_size=30),
    rising=st.booleans(),
)
def test_a_book_is_best_first_however_it_is_sent(levels: dict[int, int], rising: bool) -> None:
    rows = [[f"{p / 100:.2f}", f"{q / 100:.3f}"] for p, q in sorted(levels.items())]
    told = {"bids": rows if rising else rows[::-1], "asks": rows[::-1], "lastUpdateId": 7}
    book = codec().depth(SOL, body(told), AT)
    there = sorted((p, q) for p, q in levels.items() if q)
    assert book.asks == there
    assert book.bids == there[::-1]
    assert book.event_ns == AT


def test_public_trades() -> None:
    told = [{"id": 8721563, "price": "117.6", "quantity": "0.16", "quoteQuantity": "18.788416",
             "timestamp": 1753123916819, "isBuyerMaker": True},
            {"price": "117.6", "quantity": "0.16", "timestamp": 1753123916820,
             "isBuyerMaker": False}]  # fmt: skip
    first, second = codec().trades(SOL, body(told), AT)
    assert (first.trade_id, first.price_ticks, first.lots) == (8721563, 11760, 16)
    assert (first.aggressor, second.aggressor) == (Side.SELL, Side.BUY)
    assert first.event_ns == 1753123916819 * NS_PER_MS


def test_candles_that_are_over() -> None:
    row = {"start": "2025-07-19 13:09:00", "end": "2025-07-19 13:12:00", "open": "118.38",
           "high": "118.6", "low": "118.37", "close": "118.46", "volume": "34.73",
           "quoteVolume": "4106.558156", "trades": "12"}  # fmt: skip
    empty = row | {"open": None, "high": None, "low": None, "close": None}
    open_still = row | {"start": "2025-07-19T13:12:00"}
    start_ns = 1_752_930_540 * NS_PER_S
    told = body([empty, row, open_still])
    assert codec().candles(SOL, 180, told, start_ns + 200 * NS_PER_S) == [
        CandleClosed(
            SOL, 180, start_ns, 11838, 11860, 11837, 11846, 3473, start_ns + 200 * NS_PER_S
        )
    ]


def test_mark_prices_of_the_markets_we_trade() -> None:
    told = [{"symbol": "BTC_USDC_PERP", "markPrice": "118343.51853741"},
            {"symbol": "SOL_USDC_PERP", "markPrice": "173.445", "indexPrice": "173.4",
             "fundingRate": "0.0001", "nextFundingTimestamp": 1753113600000}]  # fmt: skip
    (mark,) = codec().marks(body(told), AT)
    assert (mark.symbol, mark.mark_ticks) == (SOL_PERP, 17345)
    assert mark.rate == Decimal("0.0001")
    assert mark.next_funding_ns == 1753113600000 * NS_PER_MS


def test_funding_rates() -> None:
    told = [{"symbol": "BTC_USDC_PERP", "intervalEndTimestamp": "2025-07-22T00:00:00",
             "fundingRate": "0.0001"}]  # fmt: skip
    assert funding_rates(body(told)) == [(1_753_142_400 * NS_PER_S, Decimal("0.0001"))]


def test_a_funding_payment_is_no_fill() -> None:
    """T35."""
    row = {
        "symbol": "ETH_USDC_PERP",
        "fundingRate": "0.0001",
        "quantity": "-0.001301",
        "intervalEndTimestamp": "2025-08-01T16:00:00",
        "subaccountId": 0,
        "userId": 1813870,
    }
    at = 1_754_064_000 * NS_PER_S
    assert codec().funding_payments(body([row, row | {"symbol": "X_USDC_PERP"}]), AT) == [
        FundingPaid(ETH_PERP.symbol, f"ETH_USDC_PERP@{at}", Decimal("-0.001301"), "USDC", at, AT)
    ]


# ── account ───────────────────────────────────────────────────────────────────


def test_fees_are_basis_points_and_may_be_rebates() -> None:
    state = account(body(ACCOUNT))
    assert state.fees.spot_maker == Decimal("-0.00005")
    assert state.fees.spot_taker == Decimal("0.00095")
    assert (state.limit_orders, state.trigger_orders) == (3, 1)
    assert state.auto_lend
    assert not state.liquidating
    spot, perpetual = with_account(SPOT, state), with_account(PERP, state)
    assert (spot.maker_fee, spot.taker_fee) == (Decimal("-0.00005"), Decimal("0.00095"))
    assert (perpetual.maker_fee, perpetual.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))
    assert (spot.max_leverage, perpetual.max_leverage) == (Decimal(1), Decimal(10))


def test_an_account_that_tells_little_pays_the_base_tier() -> None:
    state = account(b"{}")
    assert state.fees.spot_maker == Decimal("0.0008")
    assert state.fees.perpetual_taker == Decimal("0.0005")
    assert with_account(PERP, state).max_leverage == 50


def test_locked_amounts_are_told_apart() -> None:
    told = {"USDC": {"available": "120", "locked": "3.5", "staked": "0"},
            "SOL": {"available": "1.5", "locked": "0.5", "staked": "2"}}  # fmt: skip
    assert capital(body(told)) == {
        "USDC": (Decimal(120), Decimal("3.5")),
        "SOL": (Decimal("1.5"), Decimal("0.5")),
    }
    with pytest.raises(DataError, match="SOL available"):
        capital(body({"SOL": {"available": "-1", "locked": "0"}}))


def test_margin() -> None:
    margin = collateral(body(COLLATERAL))
    assert (margin.equity, margin.available, margin.locked) == (
        Decimal("1000.0"), Decimal("384.4"), Decimal("615.6"),
    )  # fmt: skip
    assert (margin.fraction, margin.maintenance) == (Decimal("0.31"), Decimal("0.0125"))
    assert margin.lent == {"USDC": Decimal(1000)}
    without = {name: value for name, value in COLLATERAL.items() if name != "marginFraction"}
    assert collateral(body(without)).fraction is None
    assert collateral(body(COLLATERAL | {"marginFraction": None})).fraction is None


PERPETUALS = [MarketKind.PERP]
SPOT_ONLY = [MarketKind.SPOT]
BOTH = [MarketKind.SPOT, MarketKind.PERP]


def test_open_orders_are_not_taken_off_the_margin_again() -> None:
    """T18: ``netEquityAvailable`` is what is left, whatever rests."""
    margin = collateral(body(COLLATERAL))
    assert spendable({}, margin, PERPETUALS) == {"USDC": (Decimal("384.4"), Decimal("615.6"))}


def test_lent_funds_are_not_lost() -> None:
    margin = collateral(body(COLLATERAL))
    balances = {"USDC": (Decimal(5), ZERO), "SOL": (Decimal(1), ZERO)}
    assert spendable(balances, margin, SPOT_ONLY) == balances
    redeemed = spendable(balances, margin, SPOT_ONLY, redeem=True)
    assert redeemed == {"USDC": (Decimal(1005), ZERO), "SOL": (Decimal(1), ZERO)}


@given(
    available=st.decimals(0, 10**6, places=2),
    left=st.decimals(-(10**6), 10**6, places=2),
    lent=st.decimals(0, 10**6, places=2),
    redeem=st.booleans(),
)
def test_an_account_of_both_kinds_spends_no_more_than_either_allows(
    available: Decimal, left: Decimal, lent: Decimal, redeem: bool
) -> None:
    margin = Margin(ZERO, left, ZERO, None, ZERO, ZERO, {"USDC": lent})
    free, _ = spendable({"USDC": (available, ZERO)}, margin, BOTH, redeem=redeem)["USDC"]
    assert 0 <= free <= max(ZERO, left)
    assert free <= available + (lent if redeem else 0)


def test_positions_have_their_own_size_not_that_of_the_orders() -> None:
    short = POSITION | {"symbol": "SOL_USDC_PERP", "netQuantity": "-0.5",
                        "estLiquidationPrice": "201.5"}  # fmt: skip
    first, second = codec().positions(200, body([POSITION, short, POSITION | {"symbol": "X"}]), AT)
    assert first == PositionReported(
        ETH_PERP.symbol, 36, Decimal("3826.8888888888888888888888889"), Decimal("3787.46813304"),
        ZERO, Decimal("-0.141914"), AT, AT,
    )  # fmt: skip
    assert (second.lots, second.liquidation_price) == (-50, Decimal("201.5"))


@pytest.mark.parametrize(
    ("status", "answer"), [(200, b"[]"), (404, refusal("RESOURCE_NOT_FOUND", "Not Found"))]
)
def test_no_position_is_told_in_two_ways(status: int, answer: bytes) -> None:
    assert codec().positions(status, answer, AT) == []


def test_a_failure_is_not_taken_for_being_flat() -> None:
    with pytest.raises(OutcomeUnknown):
        codec().positions(500, refusal("SERVER_ERROR", "x"), AT)
    with pytest.raises(Exception, match="404"):
        codec().positions(404, b"<html>", AT)


def test_the_venues_whole_word() -> None:
    held = codec().positions(200, body([POSITION]), AT)
    balances = {"USDC": (Decimal(1), Decimal(2))}
    word = codec().reconciled(balances, body([order_row(symbol=SOL)]), held, AT)
    assert word.balances == [("USDC", Decimal(1), Decimal(2))]
    assert [order.symbol for order in word.open_orders] == [SOL]
    assert word.positions == held


def test_how_much_the_venue_would_take() -> None:
    told = {"symbol": SOL, "side": "Bid", "maxOrderQuantity": "12.5"}
    assert order_limit(body(told)) == Decimal("12.5")


# ── time and status ───────────────────────────────────────────────────────────


def test_the_venues_time_is_bare_text() -> None:
    assert server_time(b"1753131712992") == 1753131712992
    assert server_time(b'"1753131712992"\n') == 1753131712992
    for damaged in (b"", b"pong", b'{"t":1}', b"-1"):
        with pytest.raises(DataError, match="time"):
            server_time(damaged)


def test_maintenance_is_told() -> None:
    assert maintenance(b'{"status":"Ok","message":null}') == ""
    assert maintenance(b'{"status":"Maintenance","message":"until 9"}') == "Maintenance until 9"
    assert maintenance(b"{}") == "no status"


@pytest.mark.parametrize(
    ("told", "ns"),
    [
        (None, 0),
        ("", 0),
        (1753624283415, 1753624283415 * NS_PER_MS),
        ("1753624283415", 1753624283415 * NS_PER_MS),
        ("2025-07-27T17:39:00.092", 1_753_637_940_092 * NS_PER_MS),
        ("2025-07-27 17:39:00", 1_753_637_940_000 * NS_PER_MS),
        ("2025-07-27T17:39:00.092123", 1_753_637_940_092_123 * NS_PER_US),
        ("2025-07-27T17:39:00Z", 1_753_637_940_000 * NS_PER_MS),
        ("2025-07-27T19:39:00+02:00", 1_753_637_940_000 * NS_PER_MS),
    ],
)
def test_mixed_times(told: int | str | None, ns: int) -> None:
    assert moment_ns(told, "at") == ns


def test_text_that_is_no_time_is_refused() -> None:
    with pytest.raises(DataError, match="createdAt"):
        moment_ns("yesterday", "createdAt")
