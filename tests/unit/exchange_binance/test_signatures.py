"""The exchange accepts the venue's published signatures and nothing else (binance.md §4.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.exchange.binance.auth import KeyRing, object_payload, rest_payload
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.wire.keys import Credential

API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PUBLIC_KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")

HMAC_KEY = Credential(API_KEY, "main", secret=SECRET)
ED25519_KEY = Credential("TESTKEY", "main", public_key=PUBLIC_KEY)

ASCII_ORDER = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    "&recvWindow=5000&timestamp=1499827319559"
)
FULL_WIDTH_ORDER = ASCII_ORDER.replace(
    "LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"
)
PUBLISHED = [
    (ASCII_ORDER, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (FULL_WIDTH_ORDER, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
]


@pytest.mark.parametrize(("query", "signature"), PUBLISHED)
def test_published_rest_orders_verify_in_query_and_in_body(query: str, signature: str) -> None:
    signed = f"{query}&signature={signature}"
    for payload, found in (rest_payload(signed, ""), rest_payload("", signed)):
        assert payload == query.encode()
        assert HMAC_KEY.signed(payload, found)
        assert HMAC_KEY.signed(payload, found.upper()), "the case of hex does not matter"


def test_query_and_body_join_with_nothing_between() -> None:
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
    body = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    signature = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    payload, found = rest_payload(query, f"{body}&signature={signature}")
    assert HMAC_KEY.signed(payload, found)


@pytest.mark.parametrize(
    ("symbol", "price", "quantity", "window", "side", "signature"),
    [
        (
            "BTCUSDT",
            "52000.00",
            "0.01000000",
            "100",
            "SELL",
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            "１２３４５６",
            "0.10000000",
            "1.00000000",
            "5000",
            "BUY",
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_published_socket_orders_verify_sorted_and_unencoded(
    symbol: str, price: str, quantity: str, window: str, side: str, signature: str
) -> None:
    params = {
        "symbol": symbol,
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": quantity,
        "price": price,
        "recvWindow": window,
        "timestamp": "1645423376532",
        "apiKey": API_KEY,
        "signature": signature,
    }
    assert HMAC_KEY.signed(object_payload(params), signature)


def test_ed25519_signature_is_percent_encoded_base64_over_rest() -> None:
    query = (
        "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
        "&timestamp=1668481559918&recvWindow=5000"
    )
    signature = (
        "m5loLRxgkb9HyW0wkZ4KNrpck881bx5D0OrKNnPklvk4tlGjEJkhiP9DoyC0sc1lXA/TWugjVPrMb/bfNdmdBw=="
    )
    payload, found = rest_payload(f"{query}&signature={quote(signature, safe='')}", "")
    assert found == signature
    assert ED25519_KEY.signed(payload, found)
    assert not ED25519_KEY.signed(payload, found.swapcase())


def test_ed25519_logon_verifies() -> None:
    params = {"apiKey": "TESTKEY", "timestamp": "1649729878532"}
    signature = (
        "3BBZpxaXdu86VNZwA7CZdVtOdv6ve02vtGmSnc+0qoCNiV3prEiQnebhAdUfF6aTCoMQc78K0RvQtgKGY7wgDw=="
    )
    assert ED25519_KEY.signed(object_payload(params), signature)


@given(st.integers(0, len(ASCII_ORDER) - 1), st.characters(codec="ascii"))
def test_one_changed_byte_breaks_the_signature(index: int, other: str) -> None:
    query, signature = PUBLISHED[0]
    changed = query[:index] + other + query[index + 1 :]
    assert HMAC_KEY.signed(changed.encode(), signature) is (changed == query)


def test_signature_must_come_last() -> None:
    query, signature = PUBLISHED[0]
    with pytest.raises(ApiError) as refused:
        rest_payload(f"signature={signature}&{query}", "")
    assert refused.value.code == -1022


@pytest.mark.parametrize(
    ("api_key", "code"), [(None, -2014), ("", -2014), ("not a key!", -2014), ("nobody", -2015)]
)
def test_unknown_and_ill_formed_keys_are_told_apart(api_key: str | None, code: int) -> None:
    ring = KeyRing()
    ring.add(HMAC_KEY)
    with pytest.raises(ApiError) as refused:
        ring.find(api_key)
    assert (refused.value.status, refused.value.code) == (401, code)


def test_a_key_never_shows_its_secret() -> None:
    assert SECRET not in repr(HMAC_KEY)
    assert SECRET not in str(HMAC_KEY)


def _vectors(shared_data: Path) -> list[dict[str, Any]]:
    path = shared_data.parent / "venues" / "binance_vectors.json"
    if not path.is_file():
        pytest.skip(f"no signature vectors at {path}")
    document = json.loads(path.read_text())
    keys = document["keys"]
    return [vector | {"material": keys[vector["key"]]} for vector in document["vectors"]]


@pytest.mark.captures
def test_all_recomputed_vectors_verify(shared_data: Path) -> None:
    vectors = _vectors(shared_data)
    assert len(vectors) == 14
    for vector in vectors:
        material = vector["material"]
        key = Credential(
            "K",
            "main",
            secret=material.get("secret", ""),
            public_key=bytes.fromhex(material.get("public_hex", "")),
        )
        assert key.signed(vector["payload"].encode(), vector["signature"]), vector["id"]
        if vector["transport"] == "rest":
            sent = vector.get("signature_in_url", quote(vector["signature"], safe=""))
            query, body = vector.get("query", vector["payload"]), vector.get("body", "")
            where = (
                (query, f"{body}&signature={sent}") if body else (f"{query}&signature={sent}", "")
            )
            payload, found = rest_payload(*where)
            assert payload == vector["payload"].encode(), vector["id"]
            assert found == vector["signature"], vector["id"]
        elif "params" in vector:
            params = {name: str(value) for name, value in vector["params"].items()}
            assert object_payload(params) == vector["payload"].encode(), vector["id"]
