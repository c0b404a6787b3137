"""Every refusal in the venue's own status, code and words (binance.md §3, §6, §13)."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.exchange.api import Refusal
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.errors import ApiError, from_refusal
from obiterm.exchange.binance.limits import LimitOptions, Limits
from obiterm.exchange.binance.operations import OPERATIONS
from obiterm.exchange.binance.params import Params
from obiterm.exchange.binance.wire import KINDS
from obiterm.exchange.serve import (
    AccountOptions,
    ExchangeServer,
    ServeOptions,
    default_balances,
)
from obiterm.exchange.venue import SimVenue
from obiterm.exchange.wire.keys import Credential
from tests.clients.support import Rest, Signer, hmac_signer, now_ms

MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
ILLEGAL = "Illegal characters found in parameter '{}'; legal range is '{}'."
SYMBOL_RULE = "^[\\w\\-._&&[^a-z]]{1,50}$"
DECIMAL_RULE = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
UNREAD = "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."
ORDER = "/api/v3/order"


async def test_time_rules_of_signed_requests(rest: Rest) -> None:
    late = await rest.signed("GET", "/api/v3/account", timestamp=now_ms() - 5100)
    assert (late.status, late.code) == (400, -1021)
    assert late.msg == "Timestamp for this request is outside of the recvWindow."
    early = await rest.signed("GET", "/api/v3/account", timestamp=now_ms() + 1500)
    assert early.msg == "Timestamp for this request was 1000ms ahead of the server's time."
    wide = await rest.signed(
        "GET", "/api/v3/account", timestamp=now_ms() - 5100, recvWindow="6000.346"
    )
    assert wide.status == 200
    too_wide = await rest.signed("GET", "/api/v3/account", recvWindow=60001)
    assert too_wide.code == -1131
    micro = await rest.signed("GET", "/api/v3/account", timestamp=now_ms() * 1000)
    assert micro.status == 200, "microseconds are accepted"


async def test_keys_and_signatures(server: ExchangeServer, rest: Rest) -> None:
    query = f"timestamp={now_ms()}"
    nobody = await rest.raw("GET", f"/api/v3/account?{query}&signature=00")
    assert (nobody.status, nobody.code) == (401, -2014)
    stranger = await rest.raw("GET", f"/api/v3/account?{query}&signature=00", key="A" * 64)
    assert (stranger.status, stranger.code) == (401, -2015)
    assert stranger.msg == "Invalid API-key, IP, or permissions for action."
    unsigned = await rest.raw("GET", f"/api/v3/account?{query}", key=server.api_key)
    assert unsigned.msg == MANDATORY.format("signature")
    wrong = Signer(server.api_key, "not the secret").sign(query)
    forged = await rest.raw("GET", f"/api/v3/account?{query}&signature={wrong}", key=server.api_key)
    assert (forged.status, forged.code) == (400, -1022)
    assert forged.msg == "Signature for this request is not valid."
    timeless = await rest.raw("GET", "/api/v3/account?signature=00", key=server.api_key)
    assert timeless.msg == MANDATORY.format("timestamp")


async def test_a_signature_is_over_the_bytes_that_were_sent(
    server: ExchangeServer, rest: Rest
) -> None:
    """Signing before percent-encoding is refused since 2026-01-15 (binance.md §4.1)."""
    assert rest.signer is not None
    plain = f"symbol=１２３&timestamp={now_ms()}"
    encoded = urlencode({"symbol": "１２３"}) + plain[len("symbol=１２３") :]
    target = "/api/v3/openOrders?{}&signature={}"
    good = await rest.raw(
        "GET", target.format(encoded, rest.signer.sign(encoded)), key=server.api_key
    )
    assert good.code == -1121, "signature accepted, symbol unknown"
    bad = await rest.raw("GET", target.format(encoded, rest.signer.sign(plain)), key=server.api_key)
    assert bad.code == -1022


async def test_a_body_signs_and_counts_as_a_query_does(server: ExchangeServer, rest: Rest) -> None:
    assert rest.signer is not None
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    body = f"quantity=0.01&price={await rest.away(-0.05)}&timestamp={now_ms()}"
    signature = rest.signer.sign(query + body)
    placed = await rest.raw(
        "POST", f"{ORDER}?{query}", body=f"{body}&signature={signature}", key=server.api_key
    )
    assert placed.status == 200, placed.body


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"symbol": ""}, -1102, MANDATORY.format("symbol")),
        ({"symbol": "btcusdt"}, -1100, ILLEGAL.format("symbol", SYMBOL_RULE)),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "ICEBERG"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": None}, -1102, MANDATORY.format("timeInForce")),
        ({"quantity": None}, -1102, MANDATORY.format("quantity")),
        ({"price": None}, -1102, MANDATORY.format("price")),
        ({"price": "1e5"}, -1100, ILLEGAL.format("price", DECIMAL_RULE)),
        ({"quantity": "-1"}, -1100, None),
        ({"price": "50000.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"price": "0"}, -1013, "Invalid price."),
        ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "2000000"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "9001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"price": "5000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "9"}, -2010, "Account has insufficient balance for requested action."),
        ({"stopPrice": "50000"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"quoteOrderQty": "50"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"newClientOrderId": "a b"}, -1100, None),
        ({"newOrderRespType": "SHORT"}, -1130, None),
        ({"icebergQty": "0.001"}, -2010, "Iceberg orders are not supported for this symbol."),
        ({"strategyType": "5"}, -1134, "strategyType was less than 1000000."),
        ({"reduceOnly": "true"}, -1104, UNREAD),
    ],
)  # fmt: skip
async def test_a_bad_limit_order_is_refused_with_the_venues_words(
    rest: Rest, params: dict[str, str | None], code: int, words: str | None
) -> None:
    base = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "50000.00",
    }
    wanted = {name: value for name, value in (base | params).items() if value is not None}
    reply = await rest.signed("POST", ORDER, **wanted)
    assert (reply.status, reply.code) == (400, code), reply.body
    if words is not None:
        assert reply.msg == words
    tested = await rest.signed("POST", "/api/v3/order/test", **wanted)
    assert tested.code == code, "a test order meets the same rules"
    assert (await rest.ledger())["open_orders"] == []


async def test_orders_that_the_book_forbids(rest: Rest) -> None:
    bid, ask = await rest.touch()
    crossing = await rest.order("BUY", "LIMIT_MAKER", quantity="0.01", price=f"{ask + 50:.2f}")
    assert (crossing.code, crossing.msg) == (-2010, "Order would immediately match and take.")
    past = await rest.order("SELL", "STOP_LOSS", quantity="0.01", stopPrice=f"{ask + 500:.2f}")
    assert (past.code, past.msg) == (-2010, "Stop price would trigger immediately.")
    price = await rest.away(-0.05)
    first = await rest.limit("BUY", "0.01", price, newClientOrderId="twin")
    assert first.status == 200
    second = await rest.limit("BUY", "0.01", price, newClientOrderId="twin")
    assert (second.code, second.msg) == (-2010, "Duplicate order sent.")
    assert bid > 0


async def test_market_orders_need_one_size(rest: Rest) -> None:
    none = await rest.order("BUY", "MARKET")
    assert none.msg == (
        "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
    )
    both = await rest.order("BUY", "MARKET", quantity="0.01", quoteOrderQty="100")
    assert both.code == -1128
    timed = await rest.order("BUY", "MARKET", quantity="0.01", timeInForce="GTC")
    assert timed.msg == "Parameter 'timeInForce' sent when not required."


async def test_cancels_and_queries_of_what_is_not_there(rest: Rest) -> None:
    cancel = await rest.signed("DELETE", ORDER, symbol="BTCUSDT", orderId=1)
    assert (cancel.status, cancel.code, cancel.msg) == (400, -2011, "Unknown order sent.")
    query = await rest.signed("GET", ORDER, symbol="BTCUSDT", origClientOrderId="nobody")
    assert (query.code, query.msg) == (-2013, "Order does not exist.")
    everything = await rest.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (everything.code, everything.msg) == (-2011, "Unknown order sent.")
    neither = await rest.signed("DELETE", ORDER, symbol="BTCUSDT")
    assert neither.msg == (
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
    )


async def test_ids_must_belong_together(rest: Rest) -> None:
    placed = await rest.limit("BUY", "0.01", await rest.away(-0.05), newClientOrderId="mine")
    mixed = {"symbol": "BTCUSDT", "orderId": placed.body["orderId"], "origClientOrderId": "other"}
    for method in ("GET", "DELETE"):
        reply = await rest.signed(method, ORDER, **mixed)
        assert (reply.status, reply.code) == (400, -2039)


async def test_cancel_restrictions(rest: Rest) -> None:
    placed = (await rest.limit("BUY", "0.01", await rest.away(-0.05))).body
    wanted = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    kept = await rest.signed("DELETE", ORDER, **wanted, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert (kept.code, kept.msg) == (-2011, "Order was not canceled due to cancel restrictions.")
    gone = await rest.signed("DELETE", ORDER, **wanted, cancelRestrictions="ONLY_NEW")
    assert gone.body["status"] == "CANCELED"


async def test_retired_and_unknown_endpoints(rest: Rest) -> None:
    gone = await rest.raw("POST", "/api/v3/userDataStream", key="whoever")
    assert gone.status == 410, "listen keys were removed on 2026-02-20"
    assert (await rest.raw("GET", "/api/v1/ping")).status == 404


async def test_duplicate_parameters_are_refused(rest: Rest) -> None:
    twice = await rest.raw("GET", "/api/v3/depth?symbol=BTCUSDT&symbol=BTCUSDT")
    assert (twice.status, twice.code) == (400, -1101)


async def test_a_read_only_key_reads_and_a_withdrawing_one_says_so() -> None:
    accounts = [
        AccountOptions(name="reader", may_trade=False),
        AccountOptions(name="danger", may_withdraw=True),
    ]
    async with ExchangeServer(ServeOptions(accounts=accounts)) as server:
        async with Rest(server.rest_url, hmac_signer(server, 0)) as reader:
            assert (await reader.signed("GET", "/api/v3/account")).body["canTrade"] is False
            refused = await reader.limit("BUY", "0.01", await reader.away(-0.03))
            assert (refused.status, refused.code) == (401, -2015)
        async with Rest(server.rest_url, hmac_signer(server, 1)) as danger:
            rights = await danger.signed("GET", "/sapi/v1/account/apiRestrictions")
            assert rights.body["enableWithdrawals"] is True


_JUNK = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "0", "-1", "1e9", "9" * 20, "0." + "9" * 20, "NaN", "²", "["]),
)
_USUAL: dict[str, list[str]] = {
    "symbol": ["BTCUSDT"],
    "symbols": ['["BTCUSDT"]', "[]"],
    "side": ["BUY", "SELL"],
    "type": list(KINDS),
    "aboveType": list(KINDS),
    "belowType": list(KINDS),
    "interval": ["1m", "1h", "1s"],
    "cancelReplaceMode": ["STOP_ON_FAILURE", "ALLOW_FAILURE"],
    "newOrderRespType": ["ACK", "RESULT", "FULL"],
}


_OFTEN = frozenset(
    {"symbol", "side", "type", "quantity", "timeInForce", "price", "interval", "orderId"}
    | {"aboveType", "belowType", "abovePrice", "belowStopPrice", "cancelReplaceMode"}
)


def _value(name: str) -> st.SearchStrategy[str]:
    if name in _USUAL:
        usual = _USUAL[name]
    elif name.endswith("imeInForce"):
        usual = ["GTC", "IOC", "FOK"]
    elif "rice" in name:
        usual = ["30000.00", "59000.00", "60000.00", "61000.00", "90000.00", "60000.001"]
    else:
        usual = ["1", "7", "0.01", "0.5", "100", "10003183", "1000000"]
    return st.integers(0, 9).flatmap(lambda dice: st.sampled_from(usual) if dice else _JUNK)


@given(data=st.data())
def test_no_parameter_breaks_an_operation(data: st.DataObject) -> None:
    """Whatever is sent, the answer is a result or a refusal in the venue's words."""
    office = _offline_office()
    operation = OPERATIONS[data.draw(st.sampled_from(sorted(OPERATIONS)))]
    values = {
        name: data.draw(_value(name))
        for name in sorted(operation.known)
        if data.draw(st.integers(0, 9)) < (8 if name in _OFTEN else 1)
    }
    params = Params(values)
    call = Call(params, 10**18, "127.0.0.1", Credential("K", "main", secret="s"))
    refusal = None
    try:
        operation.weight(params)
        operation.handler(office, call)
    except ApiError as error:
        refusal = error
    except Refusal as error:
        refusal = from_refusal(error)
    finally:
        office.flush(10**18)
    if refusal is not None:
        assert refusal.code < 0
        assert refusal.msg


@cache
def _offline_office() -> BackOffice:
    venue = SimVenue.named(["BTCUSDT"], seed=1, start_ns=10**18)
    office = BackOffice(venue, Limits(LimitOptions()))
    office.add_account("main", default_balances())
    return office
