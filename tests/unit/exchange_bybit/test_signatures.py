"""Signatures over exact bytes, request times, permissions (bybit.md §2)."""

from __future__ import annotations

import json

import pytest

from obiterm.exchange.bybit.auth import KeyRing, Signed, socket_owner
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.exchange.wire.keys import Credential
from tests.clients.bybit_support import LINEAR, SYMBOL, BybitRest, bybit_options
from tests.clients.support import now_ms

KEY, SECRET = "obitermTestKey01", "obitermTestSecret0123456789abcdef"
STAMP_MS = 1_700_000_000_000
B1 = (
    '{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Market","qty":"300",'
    '"marketUnit":"quoteCoin","timeInForce":"IOC","orderLinkId":"obi-0001"}'
)
B3 = (
    '{"category":"linear","symbol":"ETHUSDT","side":"Sell","orderType":"Limit","qty":"0.15",'
    '"price":"2800.5","timeInForce":"PostOnly","positionIdx":0,"reduceOnly":false,'
    '"orderLinkId":"obi-0002","smpType":"CancelMaker"}'
)
Q1 = "category=linear&cursor=page_args%3Dabc%26symbol%3D6%26&limit=50&settleCoin=USDT"
VECTORS = [
    (
        "5000",
        "accountType=UNIFIED&coin=USDT",
        "84011c4f20d32c402ed9cbbcf3224c578c2a7286c594f2286459af7810154e60",
    ),
    ("5000", B1, "a25ba5e8e5a86ef1c04b996fab72f25f657cb7e1f9a2b026903101a28dcb6045"),
    (
        "5000",
        json.dumps(json.loads(B1)),
        "28d91e310a943930e24961e09a4c99505ece2f7b530e0a8e3fb5317d0a1f24bd",
    ),
    ("5000", "", "6322dc2ce43f0053658ed752fbd374f0d201cee389fcc857384776e8eee2894d"),
    ("10000", B3, "1c7ed852e30f2d023a30d869fa527d12a74f4da7d4924d148e22aca7a1d1b097"),
    ("5000", "{}", "48ae1606d82145a5c90aa9c27b123db36343719ac23cb0ee1186f40273fb87f2"),
    ("5000", Q1, "0f15b289fc32af61e9c5e8b9a1f305ef5bc831f39df3a6eb02b757f1fff04324"),
]


def _keys() -> KeyRing:
    keys = KeyRing()
    keys.add(Credential(KEY, "main", secret=SECRET))
    return keys


def _signed(window: str, payload: str, sign: str) -> Signed:
    headers = {
        "X-BAPI-API-KEY": KEY,
        "X-BAPI-TIMESTAMP": str(STAMP_MS),
        "X-BAPI-RECV-WINDOW": window,
        "X-BAPI-SIGN": sign,
    }
    return Signed(headers, payload.encode())


@pytest.mark.parametrize(("window", "payload", "sign"), VECTORS)
def test_the_documented_vectors_are_accepted(window: str, payload: str, sign: str) -> None:
    assert _signed(window, payload, sign).owner(_keys()).account == "main"


@pytest.mark.parametrize(("window", "payload", "sign"), VECTORS)
def test_one_other_byte_is_refused(window: str, payload: str, sign: str) -> None:
    with pytest.raises(ApiError) as refused:
        _signed(window, payload + " ", sign).owner(_keys())
    assert refused.value.code == 10004
    assert SECRET not in refused.value.msg


def test_the_documented_socket_vector_is_accepted() -> None:
    sign = "93e52b61fa1906c751da5fa610131fc1ac93fead0d9937e3783b2f3472e91dfe"
    args: list[object] = [KEY, 1_700_000_010_000, sign]
    assert socket_owner(_keys(), args, STAMP_MS * 10**6).account == "main"
    with pytest.raises(ApiError, match="Params Error"):
        socket_owner(_keys(), args, (STAMP_MS + 10_000) * 10**6)


@pytest.mark.parametrize(
    ("ahead_ms", "code"), [(-4_000, 0), (900, 0), (-6_000, 10002), (2_000, 10002)]
)
async def test_a_request_is_good_within_its_window(
    rest: BybitRest, ahead_ms: int, code: int
) -> None:
    headers = rest.headers("", now_ms() + ahead_ms)
    reply = await rest.raw("GET", "/v5/user/query-api", headers)
    assert reply.code == code
    if code:
        assert "recv_window[5000]" in reply.msg


async def test_a_clock_that_is_off_refuses_until_it_is_set(rest: BybitRest) -> None:
    await rest.fault("clock_offset_ms", ms=30_000)
    assert (await rest.get("account/info")).code == 10002
    told = (await rest.public("time")).body["time"]
    assert abs(told - now_ms() - 30_000) < 2_000
    async with rest.http.delete(f"{rest.base}/_exchange/faults"):
        pass
    assert (await rest.get("account/info")).code == 0


async def test_headers_that_are_missing_and_keys_that_are_unknown(rest: BybitRest) -> None:
    assert (await rest.raw("GET", "/v5/account/info", {})).code == 10001
    rest.key = "nobody"
    assert (await rest.get("account/info")).code == 10003


async def test_a_revoked_key_is_refused(rest: BybitRest) -> None:
    await rest.control("revoke_key", api_key=rest.key)
    assert (await rest.get("account/info")).code == 10003


async def test_a_key_without_the_right_to_trade_reads_only() -> None:
    options = ServeOptions(venue="bybit", accounts=[AccountOptions(may_trade=False)])
    async with ExchangeServer(options) as server, BybitRest(server) as rest:
        assert (await rest.get("user/query-api")).result["readOnly"] == 1
        refused = await rest.order(LINEAR, "Buy", "Market", qty="0.01")
        assert refused.code == 10005


async def test_paths_and_methods_that_do_not_exist(rest: BybitRest) -> None:
    assert (await rest.raw("GET", "/v5/order/create", {})).status == 404
    reply = await rest.raw("GET", f"/v5/market/orderbook?category=linear&symbol={SYMBOL}", {}, "{}")
    assert reply.status == 403


async def test_the_encoded_cursor_signs_as_it_came() -> None:
    async with ExchangeServer(bybit_options()) as server, BybitRest(server) as rest:
        price = await rest.away(LINEAR, -0.02)
        placed = [
            (await rest.limit(LINEAR, "Buy", "0.01", price)).result["orderId"] for _ in range(5)
        ]
        seen: list[str] = []
        cursor = ""
        while True:
            query = f"category=linear&symbol={SYMBOL}&limit=2" + (
                f"&cursor={cursor}" if cursor else ""
            )
            reply = await rest.raw("GET", f"/v5/order/realtime?{query}", rest.headers(query))
            seen += [row["orderId"] for row in reply.rows]
            cursor = reply.result["nextPageCursor"]
            if not cursor:
                break
            assert "%3D" in cursor
        assert seen == placed[::-1]
        twice = "cursor=page_token%253D1%253A2%2526&category=linear&symbol=BTCUSDT"
        reply = await rest.raw("GET", f"/v5/order/realtime?{twice}", rest.headers(twice))
        assert reply.code == 10001
