"""Control frames of Bybit's sockets, the same on all of them but for spelling (bybit.md §7)."""

from __future__ import annotations

import msgspec

from obiterm.core.values import NS_PER_S
from obiterm.venues.bybit.messages import Text
from obiterm.venues.bybit.signing import Credentials

PING_EVERY_NS = 20 * NS_PER_S
"""The venue wants a ping every 20 s on every socket."""
LOGON_LIFE_MS = 10_000
"""How long the signature of a logon is good: slow links break shorter ones."""

_encode = msgspec.json.Encoder().encode
_PING = _encode({"op": "ping"})


class ControlFrame(msgspec.Struct, frozen=True):
    """Any frame that is no data: an answer to a ping, a logon, a subscription or an order.

    Public and private sockets write ``success`` and ``ret_msg``, the trade socket ``retCode``
    and ``retMsg``; refused logons have been seen both ways.
    """

    op: Text = ""
    topic: Text = ""
    success: bool | None = None
    ret_msg: Text = ""
    req_id: Text = ""
    code: int | None = msgspec.field(default=None, name="retCode")
    msg: Text = msgspec.field(default="", name="retMsg")
    request_id: Text = msgspec.field(default="", name="reqId")
    data: msgspec.Raw = msgspec.Raw()
    header: msgspec.Raw = msgspec.Raw()

    @property
    def words(self) -> str:
        """The venue's words."""
        return self.ret_msg or self.msg or ""

    @property
    def is_pong(self) -> bool:
        """True for the answer to a ping: public sockets call it ``ping`` (trap 22)."""
        return self.op in ("ping", "pong")

    @property
    def is_good(self) -> bool:
        """True when nothing was refused."""
        return self.success is not False and not self.code


class Heartbeat:
    """Tells when to ping one connection, and when it is dead although it looks connected."""

    def __init__(self, every_ns: int = PING_EVERY_NS) -> None:
        self._every_ns = every_ns
        self._due_ns = 0
        self._heard = True

    def start(self, now_ns: int) -> None:
        """Begin with a new connection."""
        self._due_ns = now_ns + self._every_ns
        self._heard = True

    def heard(self) -> None:
        """Note that something came."""
        self._heard = True

    def due(self, now_ns: int) -> list[bytes]:
        """Return the ping to send now, if any; ``is_dead`` must be asked before."""
        if now_ns < self._due_ns:
            return []
        self._due_ns = now_ns + self._every_ns
        self._heard = False
        return [_PING]

    def is_dead(self, now_ns: int) -> bool:
        """True when nothing at all came since the last ping, a whole interval ago."""
        return not self._heard and now_ns >= self._due_ns


def auth_frame(credentials: Credentials, now_ms: int) -> bytes:
    """Build the logon of a private or trade socket; ``now_ms`` is the venue's time (§2)."""
    expires_ms = now_ms + LOGON_LIFE_MS
    signature = credentials.sign_socket(expires_ms)
    args = [credentials.api_key, expires_ms, signature]
    return _encode({"op": "auth", "args": args})


def subscribe_frame(topics: list[str], request_id: str, *, leave: bool = False) -> bytes:
    """Build one subscription, or its end."""
    op = "unsubscribe" if leave else "subscribe"
    return _encode({"op": op, "req_id": request_id, "args": topics})
