"""REST replies: wallet, positions, fees, rights, books, candles (bybit.md §4, §6)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.errors import DataError, RetryLater
from obiterm.core.events import (
    AccountReconciled,
    CandleClosed,
    DepthSnapshotted,
    Traded,
)
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    Side,
)
from obiterm.venues.bybit import (
    BASE_FEES,
    Ask,
    Asked,
    Category,
    Fees,
    Outcome,
    RestCodec,
    account_info,
    fee_rate,
    funding_history,
    key_rights,
    reconciled,
    server_time_ns,
    tickers,
    trade_id,
)
from tests.unit.venues_bybit.payloads import (
    AT,
    BOTH,
    MINE,
    PERP,
    SPOT,
    answer,
    coin_row,
    order_row,
    position_row,
    wallet_row,
)


@pytest.fixture
def codec() -> RestCodec:
    return RestCodec(BOTH)


def outcome(codec: RestCodec, asked: Asked, body: bytes, status: int = 200) -> Outcome:
    return codec.outcome(asked, status, body, AT)


def test_the_wallet(codec: RestCodec) -> None:
    told = codec.wallet(200, answer({"list": [wallet_row(coin_row(), coin_row(coin="BTC"))]}), AT)
    assert [coin.asset for coin in told.balances] == ["USDT", "BTC"]
    assert told.totals.available == Decimal("9556.60")
    with pytest.raises(DataError, match="no account"):
        codec.wallet(200, answer({"list": []}), AT)


def test_positions_and_the_mode_of_the_account(codec: RestCodec) -> None:
    rows = [position_row(), position_row(symbol="XRPUSDT", positionIdx=1)]
    page = {"list": rows, "nextPageCursor": "x%3D1", "category": "linear"}
    told = codec.positions(200, answer(page), AT)
    assert [(each.symbol, each.lots, each.leg) for each in told.positions] == [(PERP, 500, "")]
    assert told.hedged == {"XRPUSDT"}
    assert told.cursor == "x%3D1"


def test_t31_a_flat_hedge_account_is_noticed(codec: RestCodec) -> None:
    rows = [
        position_row(positionIdx=1, side="", size="0", avgPrice="0"),
        position_row(positionIdx=2, side="", size="0", avgPrice="0"),
    ]
    told = codec.positions(200, answer({"list": rows, "category": "linear"}), AT)
    assert told.hedged == {PERP}
    one_way = [position_row(side="", size="0", avgPrice="0")]
    assert codec.positions(200, answer({"list": one_way}), AT).hedged == frozenset()


def test_the_venues_whole_word_on_an_account(codec: RestCodec) -> None:
    wallet = codec.wallet(200, answer({"list": [wallet_row()]}), AT)
    rows = [position_row(), position_row(side="", size="0", positionIdx=0)]
    positions = codec.positions(200, answer({"list": rows, "category": "linear"}), AT).positions
    body = answer({"list": [order_row()], "category": "linear"})
    orders = outcome(codec, Asked(Ask.OPEN_ORDERS, category=Category.LINEAR), body).open_orders
    told = reconciled(wallet, orders, positions, AT)
    assert isinstance(told, AccountReconciled)
    assert told.balances == [("USDT", Decimal("9556.60"), Decimal("127.86"))]
    assert [order.client_id for order in told.open_orders] == [MINE]
    assert [each.lots for each in told.positions] == [500]


BASE = BASE_FEES[Category.LINEAR]


def test_fees_of_the_account() -> None:
    row = {"symbol": "BTCUSDT", "takerFeeRate": "0.0006", "makerFeeRate": "-0.0001"}
    told = fee_rate(200, answer({"list": [{**row, "symbol": "ETHUSDT"}, row]}), PERP, BASE)
    assert told == Fees(Decimal("-0.0001"), Decimal("0.0006"))
    spot = fee_rate(200, answer({"list": [{**row, "symbol": ""}]}), SPOT, BASE)
    assert spot.is_told


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, answer({}, 10001, "")),
        (404, b"<html>not found</html>"),
        (200, answer({"list": []})),
        (200, answer(None)),
        (200, answer({"list": [{"symbol": "BTCUSDT", "takerFeeRate": "", "makerFeeRate": ""}]})),
    ],
)
def test_r91_demo_has_no_fees_so_the_base_table_holds(status: int, body: bytes) -> None:
    assert fee_rate(status, body, PERP, BASE) is BASE


def test_a_refusal_for_another_reason_is_no_missing_endpoint() -> None:
    with pytest.raises(RetryLater):
        fee_rate(200, answer({}, 10006, "Too many visits!"), PERP, BASE)


def test_kind_of_account() -> None:
    body = json.dumps(
        {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 5},
        }
    ).encode()
    told = account_info(200, body)
    assert told.is_unified
    assert told.margin_mode == "REGULAR_MARGIN"
    assert not account_info(200, answer({"unifiedMarginStatus": 1})).is_unified


def key(**changes: Any) -> bytes:
    permissions = {
        "ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": [],
        "Options": [], "Derivatives": ["DerivativesTrade"], "NFT": None,
    }  # fmt: skip
    told = {
        "id": "2208369", "note": "bot", "apiKey": "X", "readOnly": 0, "secret": "",
        "permissions": permissions, "ips": ["203.0.113.7"], "type": 1, "deadlineDay": -2,
        "expiredAt": "1970-01-01T00:00:00Z", "unified": 0, "uta": 1, "userID": 1448939,
        "vipLevel": "No VIP", "isMaster": True,
    }  # fmt: skip
    told["permissions"] = {**permissions, **changes.pop("permissions", {})}
    return answer({**told, **changes}, msg="")


def test_a_good_key() -> None:
    rights = key_rights(200, key())
    assert rights.categories == set(Category)
    assert rights.faults(Category) == []
    assert rights.warnings() == []
    assert (rights.user_id, rights.days_left) == (1_448_939, None)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"permissions": {"Wallet": ["Withdraw"]}}, "can withdraw"),
        ({"readOnly": 1}, "read-only"),
        ({"readOnly": 1}, "may not trade spot"),
        ({"permissions": {"Spot": []}}, "may not trade spot"),
        ({"permissions": {"ContractTrade": [], "Derivatives": None}}, "may not trade linear"),
    ],
)
def test_a_key_that_must_not_or_cannot_be_used(changes: dict[str, Any], fault: str) -> None:
    assert any(fault in told for told in key_rights(200, key(**changes)).faults(Category))


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"permissions": {"Wallet": ["AccountTransfer"]}}, "move funds"),
        ({"ips": ["*"]}, "any address"),
        ({"ips": []}, "any address"),
        ({"ips": None}, "any address"),
        ({"deadlineDay": 3}, "expires in 3 days"),
        ({"deadlineDay": 0}, "expires in 0 days"),
    ],
)
def test_what_the_user_should_know_of_a_key(changes: dict[str, Any], warning: str) -> None:
    rights = key_rights(200, key(**changes))
    assert rights.faults(Category) == []
    assert any(warning in told for told in rights.warnings())


def test_a_book(codec: RestCodec) -> None:
    result = {
        "s": "BTCUSDT", "a": [["65557.7", "16.606"]], "b": [["65485.4", "47.081"]],
        "ts": 1716863719031, "u": 230704, "seq": 1432604333, "cts": 1716863718905,
    }  # fmt: skip
    at = 1_716_863_718_905 * NS_PER_MS
    for _ in range(2):
        assert codec.depth(PERP, 200, answer(result), AT) == DepthSnapshotted(
            PERP, 230_704, [(654_854, 47_081)], [(655_577, 16_606)], at, AT
        )
    with pytest.raises(DataError, match="depth of BTCUSDT"):
        codec.depth(PERP, 200, answer({**result, "b": [["-1", "1"]]}), AT)


def test_candles_oldest_first_without_the_open_one(codec: RestCodec) -> None:
    rows = [
        ["1670608860000", "17071", "17073", "17027", "17055.5", "268.611", "4581234.1"],
        ["1670608800000", "17071.5", "17071.5", "17061", "17071", "41.77", "713000.5"],
    ]
    body = answer({"symbol": "BTCUSDT", "category": "linear", "list": rows})
    now_ns = 1_670_608_900 * NS_PER_S
    first = CandleClosed(
        symbol=PERP,
        timeframe_s=60,
        open_ns=1_670_608_800 * NS_PER_S,
        open_ticks=170_715,
        high_ticks=170_715,
        low_ticks=170_610,
        close_ticks=170_710,
        lots=41_770,
        received_ns=now_ns,
    )
    assert codec.candles(PERP, 60, 200, body, now_ns) == [first]
    assert len(codec.candles(PERP, 60, 200, body, now_ns + 60 * NS_PER_S)) == 2
    with pytest.raises(DataError, match="fields"):
        codec.candles(PERP, 60, 200, answer({"list": [["1"]]}), now_ns)


def test_recent_trades_oldest_first(codec: RestCodec) -> None:
    row = {"execId": "e-2", "symbol": "BTCUSDT", "price": "16618.5", "size": "0.000012",
           "side": "Buy", "time": "1672052955758", "isBlockTrade": False}  # fmt: skip
    rows = [row, {**row, "execId": "e-1", "side": "Sell"}, {**row, "isBlockTrade": True}]
    first, second = codec.recent_trades(SPOT, 200, answer({"list": rows}), AT)
    at = 1_672_052_955_758 * NS_PER_MS
    assert first == Traded(SPOT, trade_id("e-1"), 1_661_850, 12, Side.SELL, at, AT)
    assert second.trade_id == trade_id("e-2")


def test_time_tickers_and_funding() -> None:
    time = {"timeSecond": "1688639403", "timeNano": "1688639403423213947"}
    assert server_time_ns(200, answer(time)) == 1_688_639_403_423_213_947
    with pytest.raises(DataError, match="timeNano"):
        server_time_ns(200, answer({"timeNano": "soon"}))
    [row] = tickers(200, answer({"list": [{"symbol": "BTCUSDT", "price24hPcnt": "0.0068"}]}))
    assert (row.symbol, row.price24h_pcnt, row.mark_price) == ("BTCUSDT", "0.0068", "")
    rates = funding_history(
        200,
        answer(
            {
                "list": [
                    {"symbol": "X", "fundingRate": "0.0001", "fundingRateTimestamp": "2000"},
                    {"symbol": "X", "fundingRate": "-0.0002", "fundingRateTimestamp": "1000"},
                ]
            }
        ),
    )
    assert [(each.rate, each.event_ns) for each in rates] == [
        (Decimal("-0.0002"), NS_PER_S),
        (Decimal("0.0001"), 2 * NS_PER_S),
    ]
