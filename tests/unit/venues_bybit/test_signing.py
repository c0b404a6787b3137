"""Signatures against fixed vectors and against the venue's own and the best-known client."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import ConfigError
from obiterm.venues.bybit import Credentials
from obiterm.venues.bybit.requests import Signer, encode_query
from obiterm.venues.bybit.socket_messages import auth_frame
from tests.unit.venues_bybit.payloads import KEY, NOW_MS, SECRET

B1 = (
    b'{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Market","qty":"300",'
    b'"marketUnit":"quoteCoin","timeInForce":"IOC","orderLinkId":"obi-0001"}'
)
B2 = (
    b'{"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", '
    b'"qty": "300", "marketUnit": "quoteCoin", "timeInForce": "IOC", "orderLinkId": "obi-0001"}'
)
B3 = (
    b'{"category":"linear","symbol":"ETHUSDT","side":"Sell","orderType":"Limit","qty":"0.15",'
    b'"price":"2800.5","timeInForce":"PostOnly","positionIdx":0,"reduceOnly":false,'
    b'"orderLinkId":"obi-0002","smpType":"CancelMaker"}'
)
Q1 = b"category=linear&cursor=page_args%3Dabc%26symbol%3D6%26&limit=50&settleCoin=USDT"


@pytest.mark.parametrize(
    ("window", "payload", "expected"),
    [
        pytest.param(
            5000,
            b"accountType=UNIFIED&coin=USDT",
            "84011c4f20d32c402ed9cbbcf3224c578c2a7286c594f2286459af7810154e60",
            id="V1",
        ),
        pytest.param(
            5000, B1, "a25ba5e8e5a86ef1c04b996fab72f25f657cb7e1f9a2b026903101a28dcb6045", id="V2"
        ),
        pytest.param(
            5000, B2, "28d91e310a943930e24961e09a4c99505ece2f7b530e0a8e3fb5317d0a1f24bd", id="V3"
        ),
        pytest.param(
            5000, b"", "6322dc2ce43f0053658ed752fbd374f0d201cee389fcc857384776e8eee2894d", id="V4"
        ),
        pytest.param(
            10000,
            B3,
            "1c7ed852e30f2d023a30d869fa527d12a74f4da7d4924d148e22aca7a1d1b097",
            id="V5",
        ),
        pytest.param(
            5000, b"{}", "48ae1606d82145a5c90aa9c27b123db36343719ac23cb0ee1186f40273fb87f2", id="V6"
        ),
        pytest.param(
            5000, Q1, "0f15b289fc32af61e9c5e8b9a1f305ef5bc831f39df3a6eb02b757f1fff04324", id="V7"
        ),
    ],
)
def test_the_published_vectors_pass(window: int, payload: bytes, expected: str) -> None:
    assert KEY.sign(NOW_MS, window, payload) == expected
    assert (b"X-BAPI-SIGN", expected.encode()) in KEY.headers(NOW_MS, window, payload)


def test_the_logon_of_a_socket_passes_its_vector() -> None:
    expected = "93e52b61fa1906c751da5fa610131fc1ac93fead0d9937e3783b2f3472e91dfe"
    assert KEY.sign_socket(1_700_000_010_000) == expected
    assert json.loads(auth_frame(KEY, NOW_MS)) == {
        "op": "auth",
        "args": ["obitermTestKey01", 1_700_000_010_000, expected],
    }


def test_a_body_is_not_signed_as_a_sorted_query() -> None:
    wrong = "2ce17d4438f5e98ad6310c705deddd247970847cacdf56a728d76e360a8b65df"
    order = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market"}
    body = {**order, "qty": "300", "timeInForce": "IOC"}
    request = Signer(KEY).post("/v5/order/create", body, NOW_MS, "create")
    assert wrong not in str(request.headers)
    spaced = json.dumps(body).encode()
    assert KEY.sign(NOW_MS, 5000, spaced) == (
        "7be43732fb2ed013f4f239c2e15ba0f51d20d014aa5230f86329ef3c158b2070"
    )


def test_headers_are_complete_and_tell_what_was_signed() -> None:
    request = Signer(KEY, recv_window_ms=8000).post("/v5/order/create", {"a": 1}, NOW_MS, "create")
    headers = dict(request.headers)
    assert headers == {
        b"X-BAPI-API-KEY": b"obitermTestKey01",
        b"X-BAPI-TIMESTAMP": b"1700000000000",
        b"X-BAPI-RECV-WINDOW": b"8000",
        b"X-BAPI-SIGN": KEY.sign(NOW_MS, 8000, request.body).encode(),
        b"content-type": b"application/json",
    }


def test_a_cursor_goes_out_as_it_came() -> None:
    cursor = "page_args%3Dabc%26symbol%3D6%26"
    request = Signer(KEY).get("/v5/x", {"a": "U,V", "b": "x y"}, NOW_MS, "orders", cursor=cursor)
    assert request.target == b"/v5/x?a=U,V&b=x%20y&cursor=" + cursor.encode()
    query = request.target.partition(b"?")[2]
    assert dict(request.headers)[b"X-BAPI-SIGN"] == KEY.sign(NOW_MS, 5000, query).encode()


@pytest.mark.parametrize(
    "secret", ["-----BEGIN RSA PRIVATE KEY-----\nMIIE", "-----BEGIN PRIVATE KEY-----\nMIIE"]
)
def test_an_rsa_key_is_refused_with_the_reason(secret: str) -> None:
    with pytest.raises(ConfigError, match="RSA keys need a library") as refused:
        Credentials("key", secret)
    assert "MIIE" not in str(refused.value)
    with pytest.raises(ConfigError, match="system-generated"):
        Credentials("key", "secret", "rsa")


@pytest.mark.parametrize(
    ("key", "secret", "kind"), [("", "s", "hmac"), ("k", "", "hmac"), ("k", "s", "ed25519")]
)
def test_incomplete_credentials_are_refused(key: str, secret: str, kind: str) -> None:
    with pytest.raises(ConfigError):
        Credentials(key, secret, kind)


def test_t54_the_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(KEY)
    assert "obitermTestKey01" not in repr(KEY)


@given(st.binary(max_size=300), st.integers(0, 2**45), st.integers(1, 60_000))
def test_any_bytes_are_signed_as_they_stand(payload: bytes, now_ms: int, window: int) -> None:
    text = str(now_ms).encode() + b"obitermTestKey01" + str(window).encode() + payload
    expected = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert KEY.sign(now_ms, window, payload) == expected


VALUES = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEF", min_size=1, max_size=12)


@given(st.dictionaries(NAMES, VALUES | st.integers() | st.booleans(), max_size=8))
def test_a_body_reads_back_and_its_bytes_are_what_was_signed(body: dict[str, Any]) -> None:
    request = Signer(KEY).post("/v5/order/create", body, NOW_MS, "create")
    assert json.loads(request.body) == body
    signature = dict(request.headers)[b"X-BAPI-SIGN"].decode()
    assert signature == KEY.sign(NOW_MS, 5000, request.body)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_a_query_is_plain_ascii_and_reads_back(fields: dict[str, str]) -> None:
    query = encode_query(fields)
    assert query.isascii()
    assert dict(parse_qsl(query.decode(), keep_blank_values=True)) == fields


def test_pybit_signs_the_same() -> None:
    """The venue's own client computes the same signature of the same bytes."""
    signer = pytest.importorskip("pybit._http_manager")
    for payload in (B1, B2, Q1, b"", '{"note":"日本"}'.encode()):
        text = f"{NOW_MS}obitermTestKey015000{payload.decode()}"
        assert KEY.sign(NOW_MS, 5000, payload) == signer.generate_signature(False, SECRET, text)
