"""Signatures, keys and request times (backpack.md §3)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.exchange.backpack.params import parse_batch, parse_body, parse_query
from obiterm.exchange.backpack.signing import (
    as_text,
    check_signature,
    make_stamp,
    public_key_of,
    seed_of,
    signed_text,
)
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.exchange.wire.keys import Credential
from tests.clients.backpack_support import PERP, SECRET, SEED, Backpack, now_ms

API_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
STAMP = ("1750793021519", "5000")
_STOP = {
    "symbol": "BTC_USDC_PERP",
    "side": "Ask",
    "orderType": "Market",
    "triggerPrice": "99000",
    "triggerBy": "MarkPrice",
    "reduceOnly": True,
}
BODIES: dict[str, tuple[str, object, str]] = {
    "order": (
        "orderExecute",
        {
            "symbol": "SOL_USDC_PERP",
            "side": "Bid",
            "orderType": "Limit",
            "timeInForce": "GTC",
            "price": "141.25",
            "quantity": "0.5",
            "clientId": 4000000001,
            "postOnly": True,
            "reduceOnly": False,
            "selfTradePrevention": "RejectTaker",
        },
        "cDZ4TPTLsK1ZEyCQ4gGHu0VKthNwGNn1KdvmAnSnhYvJds9501HItRoRLNFX7JpA2kb7MNqW7JnHokUWk2pWCg==",
    ),
    "cancel": (
        "orderCancel",
        {"symbol": "SOL_USDC_PERP", "orderId": "5406825793"},
        "M/85QgXVXtSne5btUnHh948J7O8DxLjgfv0csVuNL3qDYrvrSnbGcO43Yh6nPAxD4Z0ATXkA6xvvirt0bxE2Aw==",
    ),
    "cancel all": (
        "orderCancelAll",
        {"symbol": "SOL_USDC_PERP"},
        "ECqyS85RC8SUrXOE5vmQsqGl4Df1zuT8r+wlQ3XorTJ67ftLsUl4n7Pzq4RLBAf4TgeVgmlj2SCv7G3nE3hmDw==",
    ),
    "stop": (
        "orderExecute",
        _STOP | {"triggerQuantity": "0.01"},
        "kj2DKAe+SU84MCxVOm4kCXNjgN7SvQ8tZXuMn4bipIBcOPeub3RrWnE2VnolFb0mGPc3UJ8N1No4vgIrZGVKAg==",
    ),
    "stop of the whole position": (
        "orderExecute",
        _STOP | {"triggerQuantity": "100%", "clientId": None},
        "ROngxPa139tHgtSNYuiegYQleN3h0rjByXOEfZphwy0YBPQ2K6am37pzWJ+bty9f3BUwrUoD547V3yFhwmmQCg==",
    ),
    "batch": (
        "orderExecute",
        [
            {
                "symbol": "SOL_USDC_PERP",
                "side": "Bid",
                "orderType": "Limit",
                "price": price,
                "quantity": quantity,
            }
            for price, quantity in (("141", "12"), ("140", "11"))
        ],
        "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA==",
    ),
}
QUERIES = {
    "balance": (
        "balanceQuery",
        "",
        "a4gmR8Xzxq4kesPQPh+39Xb0N8FwQHErhW0+IqFZwB16ABD3p1x0BQdEvhLGYJ5A22WNBDqY0y+j7dyg1MURBw==",
    ),
    "fills": (
        "fillHistoryQueryAll",
        "symbol=SOL_USDC&limit=100&offset=0&sortDirection=Desc",
        "jySmy/EpSXGH263N2uImQf5m6CrjTOdduLlYpCaWqKyePj6HpDxW5ZDCZTpOtbDCsOtHJnAOuEJDlU16U580Bg==",
    ),
    "subscribe": (
        "subscribe",
        "",
        "DEytVjBPUJPNGqMWhoFrRnsyaD9AgpeWqvS9jRrnNbGUKyTLfEas10Q5EZ3KjJWU9PxVsfKDqd+oM0GEuFiCAA==",
    ),
}


def _credential() -> Credential:
    return Credential(API_KEY, "main", public_key=public_key_of(SEED))


def test_key_is_the_public_half_of_the_secret() -> None:
    assert as_text(public_key_of(seed_of(SECRET))) == API_KEY
    both = as_text(SEED + public_key_of(SEED))
    assert seed_of(both) == SEED
    assert seed_of("any other text") == seed_of("any other text") != seed_of("another")


@pytest.mark.parametrize("name", BODIES)
def test_documented_signatures_of_bodies(name: str) -> None:
    instruction, body, signature = BODIES[name]
    data = json.dumps(body).encode()
    parts = parse_batch(data, "P") if isinstance(body, list) else [parse_body(data, "P")]
    stamp = make_stamp(API_KEY, signature, *STAMP)
    check_signature(_credential(), signed_text(instruction, parts, stamp), signature)


@pytest.mark.parametrize("name", QUERIES)
def test_documented_signatures_of_queries(name: str) -> None:
    instruction, query, signature = QUERIES[name]
    stamp = make_stamp(API_KEY, signature, *STAMP)
    check_signature(_credential(), signed_text(instruction, [parse_query(query)], stamp), signature)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_VALUES = st.one_of(_TEXTS, st.booleans(), st.integers(0, 2**32 - 1), st.none())


@given(body=st.dictionaries(_TEXTS, _VALUES, max_size=6))
def test_signed_is_what_was_sent_whatever_it_is(body: dict[str, object]) -> None:
    params = parse_body(json.dumps(body).encode(), "P")
    pairs = [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in sorted(body.items())
        if value is not None
    ]
    text = "&".join(["instruction=x", *pairs, "timestamp=1750793021519&window=5000"])
    assert signed_text("x", [params], make_stamp("k", "s", *STAMP)) == text


async def test_window_is_5000_without_its_header(rest: Backpack) -> None:
    headers = rest.signer.headers("balanceQuery", [{}], window=None)
    assert (await rest.send("GET", "/api/v1/capital", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("off_ms", "window", "words"),
    [
        (-5500, 5000, "Request has expired"),
        (30_000, 5000, "Request has expired"),
        (-11 * 60_000, 60_000, "Invalid timestamp: must be within 10 minutes of current time"),
        (0, 60_001, "Invalid X-Window header: must be at most 60000"),
    ],
)
async def test_times_that_are_refused(rest: Backpack, off_ms: int, window: int, words: str) -> None:
    headers = rest.signer.headers("balanceQuery", [{}], timestamp=now_ms() + off_ms, window=window)
    reply = await rest.send("GET", "/api/v1/capital", headers=headers)
    assert (reply.status, reply.body) == (
        400,
        {"code": "INVALID_CLIENT_REQUEST", "message": words},
    )


async def test_a_wide_window_accepts_an_older_request(rest: Backpack) -> None:
    headers = rest.signer.headers("balanceQuery", [{}], timestamp=now_ms() - 20_000, window=60_000)
    assert (await rest.send("GET", "/api/v1/capital", headers=headers)).status == 200


async def test_what_was_not_signed_is_refused(rest: Backpack) -> None:
    headers = rest.signer.headers("orderCancelAll", [{"symbol": "SOL_USDC"}])
    reply = await rest.send("DELETE", "/api/v1/orders", {"symbol": PERP}, headers)
    assert (reply.status, reply.body["message"]) == (400, "Invalid signature")
    wrong_name = rest.signer.headers("orderCancel", [{"symbol": PERP}])
    reply = await rest.send("DELETE", "/api/v1/orders", {"symbol": PERP}, wrong_name)
    assert reply.body["message"] == "Invalid signature"
    garbled = rest.signer.headers("balanceQuery", [{}]) | {"X-Signature": "hello"}
    reply = await rest.send("GET", "/api/v1/capital", headers=garbled)
    assert reply.body["message"] == "Invalid X-Signature header"


async def test_unknown_and_revoked_keys(rest: Backpack) -> None:
    unknown = rest.signer.headers("balanceQuery", [{}]) | {"X-API-Key": "A" * 43 + "="}
    reply = await rest.send("GET", "/api/v1/capital", headers=unknown)
    assert (reply.status, reply.body["code"]) == (401, "UNAUTHORIZED")
    await rest.control("revoke_key", api_key=rest.signer.api_key)
    assert (await rest.get("/api/v1/capital")).status == 401
    bare = await rest.send("GET", "/api/v1/capital")
    assert (bare.status, bare.body["message"]) == (400, "Missing X-API-Key header")


async def test_a_key_that_may_not_trade_still_reads() -> None:
    options = ServeOptions(venue="backpack", accounts=[AccountOptions(may_trade=False)])
    async with ExchangeServer(options) as server, Backpack(server) as rest:
        assert (await rest.get("/api/v1/capital")).status == 200
        reply = await rest.order(PERP, "Bid", "Market", quantity="1")
        assert (reply.status, reply.body["code"]) == (403, "FORBIDDEN")
