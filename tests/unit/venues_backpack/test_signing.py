"""Signatures against the published vectors, by their own rules, and against other signers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from obiterm.core.errors import ConfigError
from obiterm.venues.backpack import Credentials
from obiterm.venues.backpack.signing import Value, signed_text, spell
from tests.unit.venues_backpack.payloads import API_KEY, NOW_MS, SEED_BASE64, credentials

DOCUMENTED_BATCH = (
    "instruction=orderExecute&orderType=Limit&price=141&quantity=12&side=Bid&symbol=SOL_USDC_PERP"
    "&instruction=orderExecute&orderType=Limit&price=140&quantity=11&side=Bid&symbol=SOL_USDC_PERP"
    "&timestamp=1750793021519&window=5000"
)
DOCUMENTED_BATCH_SIGNATURE = (
    "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA=="
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzBQTP", min_size=1, max_size=12)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
)


def header(headers: list[tuple[bytes, bytes]], name: str) -> str:
    return dict(headers)[name.encode()].decode()


def headers_of(vector: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    params, at = vector["params"], vector["timestamp"]
    if isinstance(params, list):
        return credentials().batch_headers(vector["instruction"], params, at)
    return credentials().headers(vector["instruction"], params, at)


def test_every_published_vector_passes(shared_data: Path) -> None:
    told = json.loads((shared_data.parent / "venues" / "backpack_vectors.json").read_text())
    assert told["api_key_base64"] == API_KEY
    assert told["secret_base64"] == SEED_BASE64
    assert len(told["vectors"]) == 12
    for vector in told["vectors"]:
        assert vector["window"] == 5000
        assert credentials().signature(vector["string_to_sign"]) == vector["signature"]
        if vector["instruction"] == "subscribe":
            expected = [API_KEY, vector["signature"], str(vector["timestamp"]), "5000"]
            assert credentials().subscription(vector["timestamp"]) == expected
            continue
        headers = headers_of(vector)
        assert header(headers, "X-Signature") == vector["signature"], vector["name"]
        assert header(headers, "X-API-Key") == API_KEY
        assert header(headers, "X-Timestamp") == str(vector["timestamp"])
        assert header(headers, "X-Window") == "5000"


def test_a_batch_signs_the_documented_string() -> None:
    orders: list[dict[str, Value]] = [
        {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "141",
         "quantity": "12"},
        {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "140",
         "quantity": "11"},
    ]  # fmt: skip
    assert credentials().signature(DOCUMENTED_BATCH) == DOCUMENTED_BATCH_SIGNATURE
    headers = credentials().batch_headers("orderExecute", orders, NOW_MS)
    assert header(headers, "X-Signature") == DOCUMENTED_BATCH_SIGNATURE


def test_a_percent_sign_is_signed_as_it_is() -> None:
    params: dict[str, Value] = {"triggerQuantity": "100%", "reduceOnly": True, "clientId": 77}
    assert signed_text("orderExecute", params) == (
        "instruction=orderExecute&clientId=77&reduceOnly=true&triggerQuantity=100%"
    )


def test_names_are_sorted_by_their_bytes() -> None:
    params: dict[str, Value] = {"triggerQuantity": "1", "triggerPrice": "2", "triggerBy": "3"}
    assert signed_text("x", params) == "instruction=x&triggerBy=3&triggerPrice=2&triggerQuantity=1"


@given(params=st.dictionaries(NAMES, VALUES, max_size=8), at=st.integers(0, 2**45))
def test_the_public_key_verifies_what_is_signed(params: dict[str, Value], at: int) -> None:
    headers = credentials().headers("orderExecute", params, at)
    pairs = "".join(f"&{name}={spell(params[name])}" for name in sorted(params))
    text = f"instruction=orderExecute{pairs}&timestamp={at}&window=5000"
    signature = header(headers, "X-Signature")
    assert len(signature) == 88
    key = SigningKey(bytes(range(32))).verify_key
    key.verify(text.encode(), base64.b64decode(signature))


@given(value=st.booleans())
def test_booleans_are_lower_case(value: bool) -> None:
    assert spell(value) == json.dumps(value)


def test_the_window_is_signed_and_bounded() -> None:
    wide = Credentials(API_KEY, SEED_BASE64, window_ms=60_000)
    headers = wide.headers("balanceQuery", {}, NOW_MS)
    assert header(headers, "X-Window") == "60000"
    text = f"instruction=balanceQuery&timestamp={NOW_MS}&window=60000"
    assert header(headers, "X-Signature") == wide.signature(text)
    for window in (0, -1, 60_001):
        with pytest.raises(ConfigError):
            Credentials(API_KEY, SEED_BASE64, window_ms=window)


def test_a_secret_of_64_bytes_is_seed_and_public_key() -> None:
    both = base64.b64encode(bytes(range(32)) + base64.b64decode(API_KEY)).decode()
    assert Credentials(API_KEY, both).signature("x") == credentials().signature("x")


@pytest.mark.parametrize("secret", ["", "geheim", "AAEC", "!" * 44, base64.b64encode(b"x" * 33)])
def test_a_damaged_secret_is_refused_and_not_repeated(secret: str | bytes) -> None:
    text = secret.decode() if isinstance(secret, bytes) else secret
    with pytest.raises(ConfigError) as caught:
        Credentials(API_KEY, text)
    assert not text or text not in str(caught.value)


def test_a_secret_of_another_key_is_noticed_before_anything_is_sent() -> None:
    other = base64.b64encode(bytes(range(1, 33))).decode()
    with pytest.raises(ConfigError, match="public key differs") as caught:
        Credentials(API_KEY, other)
    assert other not in str(caught.value)


def test_secrets_stay_out_of_repr() -> None:
    text = repr(credentials())
    assert SEED_BASE64 not in text
    assert API_KEY not in text
