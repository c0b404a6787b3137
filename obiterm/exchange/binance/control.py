"""The exchange's back door for tests and the demo: faults, the market, the ledger."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum

import msgspec
from aiohttp import web

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, Refusal, Tif
from obiterm.exchange.binance.auth import KeyRing
from obiterm.exchange.binance.backoffice import BackOffice, new_client_id
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.faults import FaultKind, FaultRequest, Faults
from obiterm.exchange.binance.order_request import to_lots, to_ticks
from obiterm.exchange.binance.wire import Json

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


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``POST /_exchange/control`` takes."""

    do: Deed
    symbol: str = ""
    side: Side = Side.SELL
    qty: str = "0"
    price: str = "0"
    api_key: str = ""


class Doors(msgspec.Struct, frozen=True):
    """What the back door can reach beside the market."""

    cut: Callable[[str], int]
    """Break the connections of a class; returns how many."""
    notice: Callable[[Json], None]
    """Tell every connection."""
    ledger: Callable[[], dict[str, object]]
    user_streams: Callable[[], int]
    """Count the live user data subscriptions."""


class ControlSide:
    """Serves ``/_exchange/*``. Only a market that ``is_model`` can be moved by the house."""

    def __init__(
        self, office: BackOffice, keys: KeyRing, faults: Faults, doors: Doors, *, is_model: bool
    ) -> None:
        self._office = office
        self._keys = keys
        self._faults = faults
        self._doors = doors
        self._is_model = is_model

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/_exchange/ledger", self._get_ledger),
            web.get("/_exchange/state", self._get_state),
            web.get("/_exchange/faults", self._list_faults),
            web.post("/_exchange/faults", self._add_fault),
            web.delete("/_exchange/faults", self._clear_faults),
            web.post("/_exchange/control", self._control),
        ]

    async def _get_ledger(self, request: web.Request) -> web.Response:
        return _json(self._doors.ledger())

    async def _get_state(self, request: web.Request) -> web.Response:
        """Tell whether the market still moves; a capture comes to an end."""
        venue = self._office.venue
        return _json(
            {
                "source": "flow" if self._is_model else "capture",
                "ended": venue.next_event_ns() is None,
                "symbols": list(venue.markets),
                "user_streams": self._doors.user_streams(),
            }
        )

    async def _list_faults(self, request: web.Request) -> web.Response:
        return _json({"faults": [fault.describe() for fault in self._faults.active]})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=FaultRequest)
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, status=400)
        fault = self._faults.add(asked, self._office.market_ns())
        self._office.clock_offset_ns = self._faults.clock_offset_ns
        answer = fault.describe()
        if asked.kind is FaultKind.CUT:
            answer["cut"] = self._doors.cut("all" if asked.match == "*" else asked.match)
        return _json(answer)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        number = request.query.get("id")
        self._faults.clear(int(number) if number is not None and number.isdigit() else None)
        self._office.clock_offset_ns = self._faults.clock_offset_ns
        return _json({"faults": [fault.describe() for fault in self._faults.active]})

    async def _control(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=ControlRequest)
            return _json(self._perform(asked))
        except (msgspec.DecodeError, InvalidOperation) as error:
            return _json({"error": str(error)}, status=400)
        except ApiError as error:
            return _json({"error": error.msg}, status=400)
        except Refusal as refusal:
            return _json({"error": str(refusal)}, status=400)

    def _perform(self, asked: ControlRequest) -> Json:
        if asked.do is Deed.REVOKE_KEY:
            self._keys.revoke(asked.api_key)
            return {}
        if asked.do is Deed.SHUTDOWN_NOTICE:
            now_ns = self._office.clock_ns()
            self._doors.notice({"e": "serverShutdown", "E": now_ns // 1_000_000})
            return {}
        if not self._is_model:
            raise ApiError(400, -1020, "a recorded market cannot be moved")
        symbol = asked.symbol or next(iter(self._office.scales))
        self._open_house()
        now_ns = self._office.market_ns()
        self._office.venue.advance(now_ns)
        if asked.do is Deed.CANCEL_HOUSE:
            cancelled = self._office.venue.cancel_all(HOUSE, symbol, now_ns)
            self._office.flush(now_ns)
            return {"cancelled": len(cancelled)}
        return self._trade(symbol, asked, now_ns)

    def _open_house(self) -> None:
        if HOUSE in self._office.uids:
            return
        assets = {
            asset
            for spec in self._office.venue.markets.values()
            for asset in (spec.base, spec.quote)
        }
        self._office.add_account(HOUSE, dict.fromkeys(sorted(assets), _HOUSE_FUNDS))

    def _trade(self, symbol: str, asked: ControlRequest, now_ns: int) -> Json:
        scale = self._office.scale(symbol)
        is_limit = asked.do is Deed.LIMIT_ORDER
        order = self._office.venue.place(
            HOUSE,
            NewOrder(
                symbol=symbol,
                side=asked.side,
                kind=Kind.LIMIT if is_limit else Kind.MARKET,
                client_id=new_client_id(),
                lots=to_lots(Decimal(asked.qty), scale),
                price_ticks=to_ticks(Decimal(asked.price), scale) if is_limit else 0,
                tif=Tif.GTC,
            ),
            now_ns,
        )
        fills = self._office.settle(order, now_ns)
        return {
            "order_id": order.order_id,
            "status": order.status.value,
            "filled": scale.size(order.filled_lots),
            "fills": len(fills),
        }


def _json(body: object, *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )
