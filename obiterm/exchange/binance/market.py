"""Public operations: time, markets, book, prints, candles, tickers (binance.md §6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from obiterm.exchange.api import Candle, Top
from obiterm.exchange.binance import errors, wire
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.info import market_info
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.wire import Scale
from obiterm.exchange.candles import INTERVALS_MS, MINUTE_MS
from obiterm.exchange.wire.office import Json

DAY_CANDLES = 1440
MAX_DEPTH = 5000
TICKER_PARAMS = ("symbol", "symbols", "symbolStatus")


def ping(office: BackOffice, call: Call) -> Json:
    """Answer."""
    return {}


def server_time(office: BackOffice, call: Call) -> Json:
    """Tell the exchange's clock."""
    return {"serverTime": wire.ms(office.clock_ns())}


def exchange_info(office: BackOffice, call: Call) -> Json:
    """Describe markets and limits; one unknown symbol fails the whole call."""
    return {
        "timezone": "UTC",
        "serverTime": wire.ms(office.clock_ns()),
        "rateLimits": office.limits.rules(),
        "exchangeFilters": [],
        "symbols": [market_info(office.scale(name).spec) for name in _chosen(office, call.params)],
    }


def _chosen(office: BackOffice, params: Params) -> list[str]:
    symbol, symbols = params.get_symbol(), params.get_symbols()
    if symbol is not None and symbols is not None:
        raise ApiError(400, -1128, "Combination of optional parameters invalid.")
    names = [symbol] if symbol is not None else symbols
    if names is None:
        return list(office.scales)
    for name in names:
        office.scale(name)
    return names


def depth(office: BackOffice, call: Call) -> Json:
    """Return the book's best levels."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    last_id, bids, asks = office.venue.depth(symbol, call.params.get_limit(100, MAX_DEPTH))
    return {
        "lastUpdateId": last_id,
        "bids": scale.levels(bids),
        "asks": scale.levels(asks),
    }


def depth_weight(params: Params) -> int:
    """Return 5, 25, 50 or 250 by the levels asked for."""
    limit = params.get_limit(100, MAX_DEPTH)
    for most, weight in ((100, 5), (500, 25), (1000, 50)):
        if limit <= most:
            return weight
    return 250


def trades(office: BackOffice, call: Call) -> list[Json]:
    """Return the newest prints, oldest first."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    limit = call.params.get_limit(500, 1000)
    return [wire.trade_row(trade, scale) for trade in office.venue.trades(symbol, limit)]


def aggregate_trades(office: BackOffice, call: Call) -> list[Json]:
    """Return aggregate trades, from an id or a time on, else the newest."""
    params = call.params
    symbol = params.need_symbol()
    scale = office.scale(symbol)
    from_id = params.get_int("fromId")
    start, end = params.get_ms("startTime"), params.get_ms("endTime")
    if from_id is not None and (start is not None or end is not None):
        raise ApiError(400, -1128, "Combination of optional parameters invalid.")
    limit = params.get_limit(500, 1000)
    rows = [
        row
        for row in office.tapes[symbol].rows
        if (from_id is None or row.agg_id >= from_id)
        and (start is None or wire.ms(row.time_ns) >= start)
        and (end is None or wire.ms(row.time_ns) <= end)
    ]
    chosen = page(rows, limit, oldest=from_id is not None or start is not None)
    return [row.row(scale) for row in chosen]


def interval_ms(params: Params) -> int:
    """Read the candle interval; -1120 for one that the exchange does not keep."""
    length_ms = INTERVALS_MS.get(params.need("interval"))
    if length_ms is None:
        raise ApiError(400, -1120, "Invalid interval.")
    return length_ms


def klines(office: BackOffice, call: Call) -> list[list[object]]:
    """Return candles, oldest first; the last one may be open."""
    params = call.params
    symbol = params.need_symbol()
    scale = office.scale(symbol)
    start, end = params.get_ms("startTime"), params.get_ms("endTime")
    limit = params.get_limit(500, 1000)
    rows = [
        candle
        for candle in office.venue.candles(symbol, interval_ms(params))
        if (start is None or candle.open_ms >= start) and (end is None or candle.open_ms <= end)
    ]
    chosen = page(rows, limit, oldest=start is not None)
    return [wire.kline_row(candle, scale) for candle in chosen]


def average_price(office: BackOffice, call: Call) -> Json:
    """Return the five-minute price that the filters use."""
    symbol = call.params.need_symbol()
    office.scale(symbol)
    last = office.venue.trades(symbol, 1)
    return {
        "mins": 5,
        "price": wire.amount(office.venue.average_price(symbol)),
        "closeTime": wire.ms(last[-1].time_ns if last else call.now_ns),
    }


def _one_or_all(office: BackOffice, params: Params, row: Callable[[str], Json]) -> object:
    rows = [row(name) for name in _chosen(office, params)]
    return rows[0] if "symbol" in params else rows


def book_ticker(office: BackOffice, call: Call) -> object:
    """Return best bid and ask of one market, or of all."""

    def row(name: str) -> Json:
        return {"symbol": name} | _sides(office.venue.top(name), office.scale(name))

    return _one_or_all(office, call.params, row)


def _sides(top: Top, scale: Scale) -> Json:
    return {
        "bidPrice": scale.price(top.bid_ticks),
        "bidQty": scale.size(top.bid_lots),
        "askPrice": scale.price(top.ask_ticks),
        "askQty": scale.size(top.ask_lots),
    }


def price_ticker(office: BackOffice, call: Call) -> object:
    """Return the last price of one market, or of all."""

    def row(name: str) -> Json:
        last = office.venue.trades(name, 1)
        ticks = last[-1].price_ticks if last else 0
        return {"symbol": name, "price": office.scale(name).price(ticks)}

    return _one_or_all(office, call.params, row)


def ticker_weight(params: Params) -> int:
    """Return 2 for one symbol, 4 for several."""
    return 2 if "symbol" in params else 4


def day_ticker(office: BackOffice, call: Call) -> object:
    """Return the statistics of the last 24 hours of one market, or of all."""
    kind = call.params.get("type")
    if kind not in (None, "FULL", "MINI"):
        raise ApiError(400, -1139, "Invalid ticker type.")

    def row(name: str) -> Json:
        stats = DayStats(office, name)
        return stats.mini() if kind == "MINI" else stats.full()

    return _one_or_all(office, call.params, row)


class DayStats:
    """Statistics of the last 24 hours, summed from one-minute candles."""

    def __init__(self, office: BackOffice, symbol: str) -> None:
        self.symbol = symbol
        self.scale = office.scale(symbol)
        self.top = office.venue.top(symbol)
        self._candles: list[Candle] = office.venue.candles(symbol, MINUTE_MS)[-DAY_CANDLES:]
        self._last = office.venue.trades(symbol, 1)
        if not self._candles:
            raise errors.invalid_symbol()

    @property
    def open_ms(self) -> int:
        """Start of the window."""
        return self._candles[0].open_ms

    @property
    def close_ms(self) -> int:
        """End of the window."""
        if self._last:
            return wire.ms(self._last[-1].time_ns)
        return self._candles[-1].open_ms + MINUTE_MS - 1

    def numbers(self) -> dict[str, str]:
        """Return open, high, low, close, change and volumes as texts."""
        candles, scale = self._candles, self.scale
        first, last = candles[0].open_ticks, candles[-1].close_ticks
        lots = sum(candle.lots for candle in candles)
        quote = sum((candle.quote for candle in candles), Decimal(0))
        change = scale.tick_size * (last - first)
        volume = scale.lot_size * lots
        return {
            "change": wire.amount(change),
            "percent": f"{Decimal(100) * (last - first) / first:.3f}" if first else "0.000",
            "average": wire.amount(quote / volume if volume else Decimal(0)),
            "open": scale.price(first),
            "high": scale.price(max(candle.high_ticks for candle in candles)),
            "low": scale.price(min(candle.low_ticks for candle in candles)),
            "last": scale.price(last),
            "last_size": scale.size(self._last[-1].lots if self._last else 0),
            "volume": scale.size(lots),
            "quote": wire.amount(quote),
        }

    def ids(self) -> tuple[int, int, int]:
        """Return first trade id, last trade id and count."""
        candles = self._candles
        count = sum(candle.trades for candle in candles)
        return candles[0].first_trade_id, candles[-1].last_trade_id, count

    def mini(self) -> Json:
        """Write the short REST form."""
        numbers, (first_id, last_id, count) = self.numbers(), self.ids()
        return {
            "symbol": self.symbol,
            "openPrice": numbers["open"],
            "highPrice": numbers["high"],
            "lowPrice": numbers["low"],
            "lastPrice": numbers["last"],
            "volume": numbers["volume"],
            "quoteVolume": numbers["quote"],
            "openTime": self.open_ms,
            "closeTime": self.close_ms,
            "firstId": first_id,
            "lastId": last_id,
            "count": count,
        }

    def full(self) -> Json:
        """Write the long REST form."""
        numbers = self.numbers()
        return (
            self.mini()
            | {
                "priceChange": numbers["change"],
                "priceChangePercent": numbers["percent"],
                "weightedAvgPrice": numbers["average"],
                "prevClosePrice": numbers["open"],
                "lastQty": numbers["last_size"],
            }
            | _sides(self.top, self.scale)
        )
