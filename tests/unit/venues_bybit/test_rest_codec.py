"""REST replies: outcomes of orders, books, wallet, positions, rights (bybit.md §3–§6)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.errors import AccountStopped, DataError, OutcomeUnknown, Refused, RetryLater
from obiterm.core.events import (
    AccountReconciled,
    CancelRefused,
    CandleClosed,
    DepthSnapshotted,
    Filled,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
    Traded,
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
from obiterm.venues.bybit import (
    BASE_FEES,
    Ask,
    Asked,
    Category,
    Fees,
    KnownOrders,
    Outcome,
    RestCodec,
    account_info,
    check,
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
    NOW_MS,
    PERP,
    SPOT,
    answer,
    coin_row,
    execution_row,
    order_row,
    position_row,
    wallet_row,
)

PLACE = Asked(Ask.PLACE, PERP, MINE)
CANCEL = Asked(Ask.CANCEL, PERP, MINE)
AMEND = Asked(Ask.AMEND, PERP, MINE)
QUERY = Asked(Ask.QUERY, PERP, MINE)
HISTORY = Asked(Ask.HISTORY, PERP, MINE)


@pytest.fixture
def codec() -> RestCodec:
    return RestCodec(BOTH)


def outcome(codec: RestCodec, asked: Asked, body: bytes, status: int = 200) -> Outcome:
    return codec.outcome(asked, status, body, AT)


# ── orders ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("msg", ["OK", "success", "SUCCESS", ""])
@pytest.mark.parametrize("asked", [PLACE, AMEND, CANCEL])
def test_an_accepted_request_is_no_state(asked: Asked, msg: str) -> None:
    known = KnownOrders()
    codec = RestCodec(BOTH, known)
    body = answer({"orderId": "1321003749386327552", "orderLinkId": MINE}, 0, msg)
    told = outcome(codec, asked, body)
    assert (told.events, told.venue_id) == ([], "1321003749386327552")
    assert known.client_id(VenueOrderId("1321003749386327552")) == MINE


@pytest.mark.parametrize(
    ("asked", "status", "body", "kind"),
    [
        (PLACE, 200, answer({}, 110007, "ab not enough for new order"), OrderRefused),
        (PLACE, 200, answer({}, 170140, "Order value exceeded lower limit."), OrderRefused),
        (PLACE, 200, answer({}, 10002, "timestamp"), OrderRefused),
        (PLACE, 200, answer({}, 110072, "OrderLinkedID is duplicate"), OrderOutcomeLost),
        (PLACE, 200, answer({}, 10016, "Server error"), OrderOutcomeLost),
        (PLACE, 200, b'{"ret_code":110007,"ret_msg":"ab not enough"}', OrderRefused),
        (PLACE, 502, b"<html>Bad gateway</html>", OrderOutcomeLost),
        (PLACE, 200, b"<html>maintenance</html>", OrderOutcomeLost),
        (PLACE, 200, b"", OrderOutcomeLost),
        (PLACE, 403, b"access too frequent", OrderRefused),
        (PLACE, 429, b"", OrderOutcomeLost),
        (CANCEL, 200, answer({}, 110001, "order not exists or too late"), CancelRefused),
        (AMEND, 200, answer({}, 110064, "below filled"), CancelRefused),
        (CANCEL, 0, b"", CancelRefused),
        (QUERY, 200, answer({}, 10006, "Too many visits!"), OrderOutcomeLost),
        (HISTORY, 500, b"", OrderOutcomeLost),
    ],
)
def test_r13_what_a_refusal_means_for_the_order(
    codec: RestCodec, asked: Asked, status: int, body: bytes, kind: type
) -> None:
    [event] = outcome(codec, asked, body, status).events
    assert type(event) is kind
    assert isinstance(event, OrderRefused | OrderOutcomeLost | CancelRefused)
    assert (event.symbol, event.client_id) == (PERP, MINE)


def test_cancel_all_tells_how_many(codec: RestCodec) -> None:
    asked = Asked(Ask.CANCEL_ALL, PERP)
    two = {"list": [{"orderId": "1", "orderLinkId": ""}, {"orderId": "2"}], "success": "1"}
    assert outcome(codec, asked, answer(two)) == Outcome(cancelled=2)
    assert outcome(codec, asked, answer({"success": "1"})).cancelled == 0
    assert outcome(codec, asked, answer({"list": None, "success": "1"})).cancelled == 0
    assert outcome(codec, asked, answer(None)).cancelled == 0
    assert outcome(codec, asked, answer({}, 110001, "no orders")).events == []


def test_a_query_that_finds(codec: RestCodec) -> None:
    row = order_row(orderStatus="Filled", cumExecQty="0.1")
    del row["category"]
    body = answer({"list": [row], "nextPageCursor": "", "category": "linear"})
    for asked in (QUERY, HISTORY):
        told = outcome(codec, asked, body)
        assert told.found
        [event] = told.events
        assert isinstance(event, OrderReported)
        assert (event.state, event.filled_lots) == (OrderState.FILLED, 100)


def test_t8_an_order_is_gone_only_when_the_history_says_so(codec: RestCodec) -> None:
    empty = answer({"list": [], "nextPageCursor": "", "category": "linear"})
    told = outcome(codec, QUERY, empty)
    assert (told.events, told.found) == ([], False)
    assert outcome(codec, HISTORY, empty).events == [OrderNotFound(PERP, MINE, AT)]


def test_open_orders_come_in_pages(codec: RestCodec) -> None:
    stop = order_row(
        orderId="2", orderLinkId="", orderType="Market", side="Sell", triggerPrice="29000",
        orderStatus="Untriggered", reduceOnly=True, price="0", stopOrderType="Stop",
    )  # fmt: skip
    rows = [order_row(timeInForce="PostOnly"), stop, order_row(symbol="XRPUSDT")]
    body = answer({"list": rows, "nextPageCursor": "a%3D1", "category": "linear"})
    asked = Asked(Ask.OPEN_ORDERS, category=Category.LINEAR)
    told = outcome(codec, asked, body)
    assert told.cursor == "a%3D1"
    limit, stop_order = told.open_orders
    assert (limit.client_id, limit.post_only, limit.price_ticks) == (MINE, True, 300_005)
    assert limit.created_ns == 1_672_364_262_444 * NS_PER_MS
    assert (stop_order.kind, stop_order.trigger_ticks) == (OrderKind.STOP_MARKET, 290_000)
    assert (stop_order.client_id, stop_order.reduce_only) == ("", True)
    end = answer({"list": [], "nextPageCursor": "a%3D2", "category": "linear"})
    assert outcome(codec, asked, end) == Outcome(cursor="")


def test_closed_orders_in_a_list_are_not_open(codec: RestCodec) -> None:
    rows = [order_row(orderStatus="Filled", cumExecQty="0.1"), order_row(orderStatus="Cancelled")]
    asked = Asked(Ask.OPEN_ORDERS, PERP)
    assert outcome(codec, asked, answer({"list": rows})).open_orders == []


def test_a_spot_stop_that_was_found_is_cancelled_as_one() -> None:
    known = KnownOrders()
    codec = RestCodec(BOTH, known)
    row = order_row(
        category="spot", orderType="Market", side="Sell", triggerPrice="29000",
        orderStatus="Untriggered", stopOrderType="Stop", qty="0.1", marketUnit="baseCoin",
    )  # fmt: skip
    asked = Asked(Ask.OPEN_ORDERS, category=Category.SPOT)
    outcome(codec, asked, answer({"list": [row], "category": "spot"}))
    assert known.is_spot_stop(MINE)
    outcome(codec, asked, answer({"list": [{**row, "orderStatus": "New"}], "category": "spot"}))
    assert not known.is_spot_stop(MINE)


def test_executions_oldest_first_with_funding_among_them(codec: RestCodec) -> None:
    rows = [
        execution_row(execId="e-3", execType="Funding", execFee="0.5", feeCurrency=""),
        execution_row(execId="e-2", execType="Settle"),
        execution_row(execId="e-1"),
    ]
    for row in rows:
        del row["category"]
    body = answer({"list": rows, "nextPageCursor": "132766%3A2", "category": "linear"})
    told = outcome(codec, Asked(Ask.EXECUTIONS, category=Category.LINEAR), body)
    assert told.cursor == "132766%3A2"
    fill, funding = told.events
    assert isinstance(fill, Filled)
    assert (fill.trade_id, fill.client_id) == (trade_id("e-1"), MINE)
    assert isinstance(funding, FundingPaid)
    assert (funding.amount, funding.asset) == (Decimal("-0.5"), "USDT")
    assert "Settle" in codec.doubt


def test_a_batch_is_judged_item_by_item(codec: RestCodec) -> None:
    asked = [Asked(Ask.PLACE, PERP, ClientOrderId(f"m-{n}")) for n in range(4)]
    items = [{"orderId": "1", "orderLinkId": "m-0", "category": "linear"}, {"orderId": ""}]
    codes = {
        "list": [
            {"code": 0, "msg": "OK"},
            {"code": 110007, "msg": "ab not enough"},
            {"code": 10016, "msg": "Server error"},
        ]
    }
    good, refused, busy, missing = codec.batch(asked, 200, answer({"list": items}, extra=codes), AT)
    assert (good.events, good.venue_id) == ([], "1")
    assert [type(each.events[0]) for each in (refused, busy, missing)] == [
        OrderRefused,
        OrderOutcomeLost,
        OrderOutcomeLost,
    ]
    for each in codec.batch(asked, 200, answer({}, 10006, "Too many visits!"), AT):
        assert isinstance(each.events[0], OrderRefused)


# ── account ─────────────────────────────────────────────────────────────────


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


# ── market ──────────────────────────────────────────────────────────────────


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


# ── success and refusal ─────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [0, 110043, 110025, 110026, 34040])
def test_what_is_so_already_is_a_success(code: int) -> None:
    check(200, {}, answer({}, code, "leverage not modified"))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, answer({}, 110028, "has position"), Refused),
        (200, answer({}, 10006, "Too many visits!"), RetryLater),
        (200, answer({}, 10003, "API key is invalid."), AccountStopped),
        (401, b"", AccountStopped),
        (404, b"nothing", Refused),
        (503, b"<html>\n busy </html>", OutcomeUnknown),
    ],
)
def test_r13_refusals_are_raised_in_the_venues_words(
    status: int, body: bytes, error: type[Exception]
) -> None:
    headers = {"x-bapi-limit-reset-timestamp": str(NOW_MS + 250)}
    with pytest.raises(error) as refused:
        check(status, headers, body)
    if isinstance(refused.value, RetryLater):
        assert refused.value.retry_after_ms == 250
    if status == 503:
        assert "HTTP 503 <html> busy </html>" in str(refused.value)


def test_a_body_whose_time_is_missing_is_read() -> None:
    check(200, {}, b'{"retCode":0,"retMsg":null,"result":null,"retExtInfo":null,"time":null}')
    check(200, {}, b'{"ret_code":0,"ret_msg":"OK"}')
