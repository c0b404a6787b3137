"""Signatures against the published vectors and against independent signers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey, VerifyKey

from obiterm.core.errors import ConfigError
from obiterm.venues.binance import Credentials
from obiterm.venues.binance.signing import encode_pairs

PUBLISHED = Path(__file__).parents[2] / "data" / "binance" / "published_signatures.json"
SEED_HEX = bytes(range(32)).hex()
PUBLIC_HEX = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
SEED_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n"
)


def credentials(key: dict[str, str]) -> Credentials:
    secret = key["secret"] if key["kind"] == "hmac" else key["seed_hex"]
    return Credentials(key["apiKey"], secret, key["kind"])


def check(vector: dict[str, Any], keys: dict[str, dict[str, str]]) -> None:
    signer = credentials(keys[vector["key"]])
    expected = vector["signature"]
    assert signer.signature(vector["payload"].encode()) == expected
    params = vector.get("params")
    if params is None:
        return
    if vector["transport"] == "ws_api":
        unsigned = {name: value for name, value in params.items() if name != "apiKey"}
        assert signer.sign_ws(unsigned) == {**params, "signature": expected}
        return
    query = signer.sign_rest([(name, value) for name, value in params])
    sent, _, signature = query.decode().rpartition("&signature=")
    assert sent == vector["payload"]
    assert unquote(signature) == expected
    if "signature_in_url" in vector:
        assert signature == vector["signature_in_url"]


def test_the_published_vectors_pass() -> None:
    data = json.loads(PUBLISHED.read_text())
    assert len(data["vectors"]) == 5
    for vector in data["vectors"]:
        check(vector, data["keys"])


@pytest.mark.captures
def test_all_vectors_pass(shared_data: Path) -> None:
    data = json.loads((shared_data.parent / "venues" / "binance_vectors.json").read_text())
    assert len(data["vectors"]) == 14
    for vector in data["vectors"]:
        check(vector, data["keys"])


@pytest.mark.parametrize("secret", [SEED_HEX, SEED_BASE64, PEM, f"  {SEED_HEX}\n"])
def test_every_form_of_an_ed25519_key_signs_alike(secret: str) -> None:
    expected = SigningKey(bytes(range(32))).sign(b"payload").signature.hex()
    signature = Credentials("key", secret, "ed25519").signature(b"payload")
    assert base64.b64decode(signature).hex() == expected


@pytest.mark.parametrize(
    "secret",
    [
        "secret-that-must-not-show",
        "ab" * 31,
        "zz" * 32,
        PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"),
        "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n???\n-----END PRIVATE KEY-----",
    ],
)
def test_a_bad_ed25519_key_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Credentials("key", secret, "ed25519")
    assert secret not in str(refused.value)
    assert "api_secret" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "secret", "kind"), [("", "s", "hmac"), ("k", "", "hmac"), ("k", "s", "rsa")]
)
def test_incomplete_credentials_are_refused(key: str, secret: str, kind: str) -> None:
    with pytest.raises(ConfigError):
        Credentials(key, secret, kind)


def test_t54_the_secret_is_in_no_repr() -> None:
    shown = repr(Credentials("abcdefgh", "topsecret")) + str(vars_of(Credentials("a", "topsecret")))
    assert "topsecret" not in shown
    assert "abcdefgh" not in shown


def vars_of(thing: object) -> list[str]:
    return [repr(getattr(thing, name)) for name in type(thing).__slots__]  # type: ignore[attr-defined]


names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", min_size=1, max_size=12)
values = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(names, values, max_size=8))
def test_what_is_sent_is_what_was_signed(fields: dict[str, str]) -> None:
    query = Credentials("key", "secret").sign_rest(fields.items())
    payload, _, signature = query.rpartition(b"&signature=")
    assert signature.decode() == hmac.new(b"secret", payload, hashlib.sha256).hexdigest()
    read_back = parse_qsl(payload.decode(), keep_blank_values=True, strict_parsing=bool(fields))
    assert dict(read_back) == fields
    assert query.isascii()


@given(
    st.dictionaries(
        names.filter(lambda name: name not in ("signature", "apiKey")),
        values | st.integers(0, 2**53),
        max_size=8,
    )
)
def test_a_websocket_signature_covers_every_parameter_in_order(
    params: dict[str, str | int],
) -> None:
    signed = Credentials("key", SEED_HEX, "ed25519").sign_ws(params)
    signature = signed.pop("signature")
    payload = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    public = VerifyKey(
        bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    )
    public.verify(payload.encode(), base64.b64decode(str(signature)))
    assert signed["apiKey"] == "key"


def test_encoding_is_rfc_3986() -> None:
    assert encode_pairs([("a", 'A-Z_.~ +/[]",:é')]) == b"a=A-Z_.~%20%2B%2F%5B%5D%22%2C%3A%C3%A9"
