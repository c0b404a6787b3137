"""The exchange's back door for tests and the demo: the market, the ledger, keys."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum

import msgspec
from aiohttp import web

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, Refusal, Why
from obiterm.exchange.ledger import describe_order
from obiterm.exchange.wire.keys import Keys
from obiterm.exchange.wire.office import Json, Office

HOUSE = "house"
_HOUSE_FUNDS = Decimal(10**12)


class Deed(Enum):
    """What a control call does."""

    MARKET_ORDER = "market_order"
    """The house takes ``qty`` at market: the price moves."""
    LIMIT_ORDER = "limit_order"
    """The house rests (or takes) ``qty`` at ``price``."""
    CANCEL_HOUSE = "cancel_house"
    """The house takes its resting orders back."""
    REVOKE_KEY = "revoke_key"
    """The key ``api_key`` is refused from now on."""
    SHUTDOWN_NOTICE = "shutdown_notice"
    """Every connection hears ``serverShutdown``."""
    MARK_PRICE = "mark_price"
    """The mark of a perpetual stands at ``price`` until it is set to 0."""
    EXPIRE_SESSION = "expire_session"
    """Private stream sessions of ``account`` end as if their time were over (listen keys)."""


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``POST /_exchange/control`` takes."""

    do: Deed
    symbol: str = ""
    side: Side = Side.SELL
    qty: str = "0"
    price: str = "0"
    api_key: str = ""
    account: str = ""
    """Empty: every account."""


class Doors(msgspec.Struct, frozen=True):
    """What the back door can reach beside the market."""

    notice: Callable[[Json], None]
    """Tell every connection."""
    ledger: Callable[[], dict[str, object]]
    user_streams: Callable[[], int]
    """Count the live user data subscriptions."""
    expire: Callable[[str], int]
    """End private sessions of an account; returns how many."""
    protection: Callable[[], Json]
    """Tell how long positions had no stop."""


class ControlSide:
    """Serves ``/_exchange/*``. Only a market that ``is_model`` can be moved by the house."""

    def __init__(self, office: Office, keys: Keys, doors: Doors, *, is_model: bool) -> None:
        self._office = office
        self._keys = keys
        self._doors = doors
        self._is_model = is_model
        self._serial = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/_exchange/ledger", self._get_ledger),
            web.get("/_exchange/state", self._get_state),
            web.get("/_exchange/orders", self._get_orders),
            web.get("/_exchange/protection", self._get_protection),
            web.post("/_exchange/control", self._control),
        ]

    async def _get_ledger(self, request: web.Request) -> web.Response:
        return json_reply(self._named(self._doors.ledger()))

    def _named(self, told: object) -> object:
        """Give orders and fills, wherever they stand, the ids that callers gave them."""
        if isinstance(told, list):
            return [self._named(one) for one in told]
        if not isinstance(told, dict):
            return told
        named = {key: self._named(value) for key, value in told.items()}
        if "client_id" in named and "order_id" in named:
            named["client_id"] = self._office.told_id(told["order_id"], told["client_id"])
        return named

    async def _get_state(self, request: web.Request) -> web.Response:
        """Tell whether the market still moves; a capture comes to an end."""
        venue = self._office.venue
        return json_reply(
            {
                "source": "flow" if self._is_model else "capture",
                "ended": venue.next_event_ns() is None,
                "symbols": list(venue.markets),
                "user_streams": self._doors.user_streams(),
            }
        )

    async def _get_orders(self, request: web.Request) -> web.Response:
        """Tell every order that there ever was, ended ones too."""
        venue = self._office.venue
        orders = {
            name: [
                describe_order(spec, o)
                for s, spec in venue.markets.items()
                for o in venue.all_orders(name, s)
            ]
            for name in self._office.uids
        }
        return json_reply(self._named({"accounts": orders}))

    async def _get_protection(self, request: web.Request) -> web.Response:
        return json_reply(self._doors.protection())

    async def _control(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=ControlRequest)
            return json_reply(self._perform(asked))
        except (msgspec.DecodeError, InvalidOperation, Refusal) as error:
            return json_reply({"error": str(error)}, status=400)

    def _perform(self, asked: ControlRequest) -> Json:
        if asked.do is Deed.REVOKE_KEY:
            self._keys.revoke(asked.api_key)
            return {}
        if asked.do is Deed.SHUTDOWN_NOTICE:
            now_ns = self._office.clock_ns()
            self._doors.notice({"e": "serverShutdown", "E": now_ns // 1_000_000})
            return {}
        if asked.do is Deed.EXPIRE_SESSION:
            return {"expired": self._doors.expire(asked.account)}
        if not self._is_model:
            raise Refusal(Why.NOT_SUPPORTED, "a recorded market cannot be moved")
        symbol = self._symbol(asked.symbol)
        now_ns = self._office.market_ns()
        self._office.venue.advance(now_ns)
        if asked.do is Deed.MARK_PRICE:
            self._office.venue.pin_mark(symbol, Decimal(asked.price) or None)
            return {}
        self._open_house()
        if asked.do is Deed.CANCEL_HOUSE:
            cancelled = self._office.venue.cancel_all(HOUSE, symbol, now_ns)
            self._office.flush(now_ns)
            return {"cancelled": len(cancelled)}
        return self._trade(symbol, asked, now_ns)

    def _symbol(self, name: str) -> str:
        """Return the market that is meant: by its own name, or by the venue's."""
        markets = self._office.venue.markets
        if name in markets:
            return name
        named = [spec.symbol for spec in markets.values() if name in ("", spec.venue_symbol)]
        if not named:
            raise Refusal(Why.UNKNOWN_SYMBOL, name)
        return named[0]

    def _open_house(self) -> None:
        if HOUSE in self._office.uids:
            return
        markets = self._office.venue.markets.values()
        assets = {asset for spec in markets for asset in (spec.base, spec.quote)}
        self._office.add_account(HOUSE, dict.fromkeys(sorted(assets), _HOUSE_FUNDS))

    def _trade(self, symbol: str, asked: ControlRequest, now_ns: int) -> Json:
        spec = self._office.venue.markets[symbol]
        self._serial += 1
        is_limit = asked.do is Deed.LIMIT_ORDER
        order = self._office.venue.place(
            HOUSE,
            NewOrder(
                symbol=symbol,
                side=asked.side,
                kind=Kind.LIMIT if is_limit else Kind.MARKET,
                client_id=f"{HOUSE}-{self._serial}",
                lots=_whole(asked.qty, spec.lot_size, "LOT_SIZE"),
                price_ticks=_whole(asked.price, spec.tick_size, "PRICE_FILTER") if is_limit else 0,
            ),
            now_ns,
        )
        fills = self._office.settle(order, now_ns)
        return {
            "order_id": order.order_id,
            "status": order.status.value,
            "filled": format(spec.lot_size * order.filled_lots, "f"),
            "fills": len(fills),
        }


def _whole(text: str, unit: Decimal, name: str) -> int:
    count, rest = divmod(Decimal(text), unit)
    if rest or count <= 0:
        raise Refusal(Why.FILTER, name)
    return int(count)


def json_reply(body: object, *, status: int = 200) -> web.Response:
    """Return a reply of the back door."""
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )
