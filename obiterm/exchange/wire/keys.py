"""API keys and the signatures that they make: HMAC-SHA256 in hex, Ed25519 in base64."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey


class Credential:
    """One API key of one account: an HMAC secret or an Ed25519 public key.

    ``may_trade`` and ``may_withdraw`` are what the key's owner allowed it; nothing
    here can be withdrawn either way.
    """

    __slots__ = ("_secret", "_verify", "account", "api_key", "may_trade", "may_withdraw")

    def __init__(
        self,
        api_key: str,
        account: str,
        *,
        secret: str = "",
        public_key: bytes = b"",
        may_trade: bool = True,
        may_withdraw: bool = False,
    ) -> None:
        self.api_key = api_key
        self.account = account
        self.may_trade = may_trade
        self.may_withdraw = may_withdraw
        self._secret = secret.encode()
        self._verify = VerifyKey(public_key) if public_key else None

    def __repr__(self) -> str:
        kind = "Ed25519" if self.is_ed25519 else "HMAC"
        return f"Credential({self.account!r}, {kind})"

    @property
    def is_ed25519(self) -> bool:
        """True when the key may log on a session."""
        return self._verify is not None

    def signed(self, payload: bytes, signature: str) -> bool:
        """Tell whether ``signature`` (hex, or base64 for Ed25519) belongs to ``payload``."""
        if self._verify is None:
            expected = hmac.new(self._secret, payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), signature.lower().encode())
        try:
            self._verify.verify(payload, base64.b64decode(signature, validate=True))
        except (BadSignatureError, binascii.Error, ValueError):
            return False
        return True


class Keys:
    """All API keys that the exchange knows."""

    def __init__(self) -> None:
        self._keys: dict[str, Credential] = {}

    def add(self, credential: Credential) -> None:
        """Register a key."""
        self._keys[credential.api_key] = credential

    def revoke(self, api_key: str) -> None:
        """Forget a key: from now on it is refused."""
        self._keys.pop(api_key, None)

    def get(self, api_key: str) -> Credential | None:
        """Return a key that is known."""
        return self._keys.get(api_key)
