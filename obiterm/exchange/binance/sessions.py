"""Operations that only the WebSocket API has: sessions and user data (binance.md §7)."""

from __future__ import annotations

from obiterm.exchange.binance import wire
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.operation import Operation, fixed
from obiterm.exchange.binance.operations import WS_METHODS
from obiterm.exchange.binance.user_streams import Subscriptions
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.office import Json


class Session:
    """One WebSocket API connection: who logged on, what it subscribed to."""

    def __init__(self, subscriptions: Subscriptions, connected_ns: int) -> None:
        self.subscriptions = subscriptions
        self.credential: Credential | None = None
        self.connected_ns = connected_ns
        self.authorized_ns = -1
        self.return_rate_limits = True

    def status(self, now_ns: int) -> Json:
        """Return what ``session.*`` methods answer."""
        known = self.credential is not None
        return {
            "apiKey": self.credential.api_key if self.credential else None,
            "authorizedSince": wire.ms(self.authorized_ns) if known else None,
            "connectedSince": wire.ms(self.connected_ns),
            "returnRateLimits": self.return_rate_limits,
            "serverTime": wire.ms(now_ns),
            "userDataStream": bool(self.subscriptions.accounts),
        }


def _session(call: Call) -> Session:
    if not isinstance(call.session, Session):
        raise ApiError(400, -1020, "This operation is not supported.")
    return call.session


def logon(office: BackOffice, call: Call) -> Json:
    """Log the connection on; Ed25519 keys only."""
    session, credential = _session(call), call.credential
    if credential is None or not credential.is_ed25519:
        raise ApiError(400, -4056, "HMAC_SHA256 API key is not supported.")
    session.credential = credential
    session.authorized_ns = office.clock_ns()
    return session.status(session.authorized_ns)


def session_status(office: BackOffice, call: Call) -> Json:
    """Tell who is logged on."""
    return _session(call).status(office.clock_ns())


def logout(office: BackOffice, call: Call) -> Json:
    """Log off; only the subscription that rested on the logon ends."""
    session = _session(call)
    session.credential = None
    if session.subscriptions.by_session is not None:
        session.subscriptions.close(session.subscriptions.by_session)
    return session.status(office.clock_ns())


def listed(office: BackOffice, call: Call) -> list[Json]:
    """List the live user data subscriptions."""
    return _session(call).subscriptions.listed()


def subscribe(office: BackOffice, call: Call) -> Json:
    """Subscribe the account that is logged on."""
    session = _session(call)
    if session.credential is None:
        raise ApiError(401, -1002, "You are not authorized to execute this request.")
    number = session.subscriptions.open(session.credential.account, by_session=True)
    return {"subscriptionId": number}


def subscribe_signature(office: BackOffice, call: Call) -> Json:
    """Subscribe the account whose key signed the request; any kind of key."""
    return {"subscriptionId": _session(call).subscriptions.open(call.account)}


def unsubscribe(office: BackOffice, call: Call) -> Json:
    """End one subscription, or all without an id."""
    _session(call).subscriptions.close(call.params.get_int("subscriptionId"))
    return {}


_TABLE: tuple[Operation[BackOffice], ...] = (
    Operation("session.logon", logon, fixed(2), signed=True),
    Operation("session.status", session_status, fixed(2)),
    Operation("session.logout", logout, fixed(2)),
    Operation("session.subscriptions", listed, fixed(2)),
    Operation("userDataStream.subscribe", subscribe, fixed(2)),
    Operation("userDataStream.subscribe.signature", subscribe_signature, fixed(2), signed=True),
    Operation("userDataStream.unsubscribe", unsubscribe, fixed(2), frozenset({"subscriptionId"})),
)
METHODS: dict[str, Operation[BackOffice]] = WS_METHODS | {
    operation.name: operation for operation in _TABLE
}
