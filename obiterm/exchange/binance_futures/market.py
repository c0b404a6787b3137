"""Public operations of the futures beside those that spot has too (binance.md §9.1)."""

from __future__ import annotations

from obiterm.exchange.api import MarkPrice
from obiterm.exchange.binance import market as spot
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.wire import amount, ms
from obiterm.exchange.binance_futures.info import assets, market_info
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.stream_words import wire_id
from obiterm.exchange.wire.office import Json

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
INTEREST_8H = "0.00010000"
_HOUR_S = 3600
_OTHERS_LOTS = 80_000_000
"""Open interest of everybody who is not here, in lots."""


def exchange_info(office: FuturesOffice, call: Call) -> Json:
    """Describe markets and limits."""
    specs = list(office.venue.markets.values())
    return {
        "timezone": "UTC",
        "serverTime": ms(office.clock_ns()),
        "futuresType": "U_MARGINED",
        "rateLimits": office.limits.rules(),
        "exchangeFilters": [],
        "assets": assets(specs),
        "symbols": [market_info(spec, office.scale(spec.symbol)) for spec in specs],
    }


def depth(office: FuturesOffice, call: Call) -> Json:
    """Return the book's best levels; only some numbers of levels may be asked for."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    last_id, bids, asks = office.venue.depth(symbol, _levels(call.params))
    return {
        "lastUpdateId": wire_id(last_id),
        "E": ms(office.clock_ns()),
        "T": ms(call.now_ns),
        "bids": scale.levels(bids),
        "asks": scale.levels(asks),
    }


def _levels(params: Params) -> int:
    limit = params.get_limit(500, 10_000)
    if limit not in DEPTH_LIMITS:
        words = f"{limit} is not valid depth limit."
        raise ApiError(400, -4021, words)
    return limit


def depth_weight(params: Params) -> int:
    """Return 2, 5, 10 or 20 by the levels asked for."""
    limit = params.get_limit(500, 10_000)
    for most, weight in ((50, 2), (100, 5), (500, 10)):
        if limit <= most:
            return weight
    return 20


def klines_weight(params: Params) -> int:
    """Return 1, 2, 5 or 10 by the candles asked for."""
    limit = params.get_limit(500, 1500)
    for most, weight in ((99, 1), (499, 2), (1000, 5)):
        if limit <= most:
            return weight
    return 10


def trades(office: FuturesOffice, call: Call) -> list[Json]:
    """Return the newest prints, oldest first."""
    found = spot.trades(office, call)
    for row in found:
        del row["isBestMatch"]
        row["isRPITrade"] = False
    return found


def aggregate_trades(office: FuturesOffice, call: Call) -> list[Json]:
    """Return aggregate trades, from an id or a time on, else the newest."""
    found = spot.aggregate_trades(office, call)
    for row in found:
        del row["M"]
        row["nq"] = row["q"]
    return found


def _one_or_all(office: FuturesOffice, call: Call) -> tuple[list[str], bool]:
    symbol = call.params.get_symbol()
    if symbol is None:
        return list(office.scales), False
    office.scale(symbol)
    return [symbol], True


def premium_index(office: FuturesOffice, call: Call) -> object:
    """Return mark, index and funding of one market or of all."""
    names, single = _one_or_all(office, call)
    found = [_premium(office.venue.mark(name), ms(call.now_ns)) for name in names]
    return found[0] if single else found


def _premium(mark: MarkPrice, now_ms: int) -> Json:
    return {
        "symbol": mark.symbol,
        "markPrice": amount(mark.mark),
        "indexPrice": amount(mark.index),
        "estimatedSettlePrice": amount(mark.index),
        "lastFundingRate": amount(mark.rate),
        "interestRate": INTEREST_8H,
        "nextFundingTime": ms(mark.next_funding_ns),
        "time": now_ms,
    }


def funding_rates(office: FuturesOffice, call: Call) -> list[Json]:
    """Return past rates, oldest first."""
    names, _ = _one_or_all(office, call)
    start, end = call.params.get_ms("startTime"), call.params.get_ms("endTime")
    found = [
        {
            "symbol": rate.symbol,
            "fundingRate": amount(rate.rate),
            "fundingTime": ms(rate.time_ns),
            "markPrice": amount(rate.mark),
        }
        for name in names
        for rate in office.venue.funding_rates(name)
        if (start is None or ms(rate.time_ns) >= start) and (end is None or ms(rate.time_ns) <= end)
    ]
    return page(found, call.params.get_limit(100, 1000), oldest=start is not None)


def funding_info(office: FuturesOffice, call: Call) -> list[Json]:
    """Return caps and intervals."""
    return [
        {
            "symbol": spec.symbol,
            "adjustedFundingRateCap": amount(spec.funding_cap),
            "adjustedFundingRateFloor": amount(-spec.funding_cap),
            "fundingIntervalHours": max(1, spec.funding_interval_s // _HOUR_S),
            "disclaimer": False,
        }
        for spec in office.venue.markets.values()
    ]


def open_interest(office: FuturesOffice, call: Call) -> Json:
    """Return how much is open: everybody else's, which stands still, and ours."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    ours = sum(
        abs(one.lots) for name in office.uids for one in office.venue.positions(name, symbol)
    )
    return {
        "symbol": symbol,
        "openInterest": scale.size(_OTHERS_LOTS // 1000 + ours),
        "time": ms(call.now_ns),
    }


def price_ticker(office: FuturesOffice, call: Call) -> object:
    """Return the last price of one market or of all, with its time."""
    names, single = _one_or_all(office, call)
    found: list[Json] = []
    for name in names:
        last = office.venue.trades(name, 1)
        ticks, time_ns = (last[-1].price_ticks, last[-1].time_ns) if last else (0, call.now_ns)
        price = office.scale(name).price(ticks)
        found.append({"symbol": name, "price": price, "time": ms(time_ns)})
    return found[0] if single else found


def book_ticker(office: FuturesOffice, call: Call) -> object:
    """Return best bid and ask of one market or of all."""
    names, single = _one_or_all(office, call)
    found: list[Json] = []
    for name in names:
        top, scale = office.venue.top(name), office.scale(name)
        found.append(
            {
                "symbol": name,
                "bidPrice": scale.price(top.bid_ticks),
                "bidQty": scale.size(top.bid_lots),
                "askPrice": scale.price(top.ask_ticks),
                "askQty": scale.size(top.ask_lots),
                "time": ms(call.now_ns),
                "lastUpdateId": wire_id(top.update_id),
            }
        )
    return found[0] if single else found
