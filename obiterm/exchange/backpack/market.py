"""Public market data (backpack.md §5)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.values import NS_PER_MS, NS_PER_S, Side
from obiterm.exchange.api import Candle, FundingRate, MarkPrice, PublicTrade
from obiterm.exchange.backpack.errors import ApiError, invalid
from obiterm.exchange.backpack.instruments import ASSETS, asset_row, collateral_row, market_row
from obiterm.exchange.backpack.office import BackpackOffice, Call
from obiterm.exchange.backpack.wire import Json, Scale, amount, ms, us, utc_text
from obiterm.exchange.candles import INTERVALS_MS

DAY_MS = 86_400_000
MINUTE_MS = 60_000
DEPTH_LIMITS = frozenset({5, 10, 20, 50, 100, 500, 1000})
KLINES_MS: dict[str, int] = INTERVALS_MS | {"3d": 3 * DAY_MS, "1w": 7 * DAY_MS}
_UNKEPT = frozenset({"1s", "1month"})
"""Intervals of the venue of which no candles are kept here: the answer is empty."""
_KINDS = {"SPOT": False, "PERP": True}


def status(office: BackpackOffice, call: Call) -> Json:
    """Tell that the exchange is up."""
    return {"status": "Ok", "message": None}


def ping(office: BackpackOffice, call: Call) -> str:
    """Answer ``pong``, as plain text."""
    return "pong"


def server_time(office: BackpackOffice, call: Call) -> str:
    """Return Unix ms, as plain text."""
    return str(ms(office.clock_ns()))


def markets(office: BackpackOffice, call: Call) -> list[Json]:
    """List the markets."""
    wanted = call.params.get_choice("marketType", _KINDS, "MarketType")
    return [
        market_row(scale.spec, office.opened_ns)
        for scale in office.scales.values()
        if wanted is None or scale.spec.is_perpetual is wanted
    ]


def market(office: BackpackOffice, call: Call) -> Json:
    """Describe one market."""
    return market_row(_scale(office, call).spec, office.opened_ns)


def assets(office: BackpackOffice, call: Call) -> list[Json]:
    """List the assets of the markets."""
    return [asset_row(name) for name in _assets(office)]


def collateral(office: BackpackOffice, call: Call) -> list[Json]:
    """Tell what each asset counts as collateral: only what perpetuals settle in does here."""
    return [collateral_row(name) for name in _assets(office)]


def none_listed(office: BackpackOffice, call: Call) -> list[Json]:
    """Return an empty list: there are no tokenised securities and no loans here."""
    return []


def depth(office: BackpackOffice, call: Call) -> Json:
    """Return the book; bids ascend like asks, so that the best bid is the last one."""
    scale = _scale(office, call)
    limit = call.params.get_int("limit")
    if limit is None:
        limit = max(DEPTH_LIMITS)
    if limit not in DEPTH_LIMITS:
        raise invalid(
            'failed to parse parameter `limit`: failed to parse "DepthLimit": '
            "Expect a valid enumeration value."
        )
    last_id, bids, asks = office.venue.depth(scale.spec.symbol, limit)
    return {
        "asks": scale.levels(asks),
        "bids": scale.levels(bids[::-1]),
        "lastUpdateId": str(last_id),
        "timestamp": us(call.now_ns),
    }


def day_row(office: BackpackOffice, scale: Scale, now_ns: int) -> Json | None:
    """Return the statistics of the last 24 hours; ``None`` without a trade."""
    symbol = scale.spec.symbol
    since_ms = ms(now_ns) - DAY_MS
    bars = [
        one
        for one in office.venue.candles(symbol, MINUTE_MS)
        if one.open_ms >= since_ms and one.trades
    ]
    if not bars:
        return None
    first, last = bars[0].open_ticks, bars[-1].close_ticks
    return {
        "symbol": symbol,
        "firstPrice": scale.price(first),
        "lastPrice": scale.price(last),
        "priceChange": scale.price(last - first),
        "priceChangePercent": f"{Decimal(last - first) / first:.6f}",
        "high": scale.price(max(one.high_ticks for one in bars)),
        "low": scale.price(min(one.low_ticks for one in bars)),
        "volume": scale.size(sum(one.lots for one in bars)),
        "quoteVolume": amount(sum((one.quote for one in bars), Decimal(0))),
        "trades": str(sum(one.trades for one in bars)),
    }


def ticker(office: BackpackOffice, call: Call) -> Json | None:
    """Return 24 hours of one market; ``None`` (HTTP 204) without a trade."""
    _check_ticker(call)
    return day_row(office, _scale(office, call), call.now_ns)


def tickers(office: BackpackOffice, call: Call) -> list[Json]:
    """Return 24 hours of every market."""
    _check_ticker(call)
    rows = (day_row(office, scale, call.now_ns) for scale in office.scales.values())
    return [row for row in rows if row is not None]


def _check_ticker(call: Call) -> None:
    call.params.get_choice("interval", {"1d": 1, "1w": 7}, "TickerInterval")


def klines(office: BackpackOffice, call: Call) -> list[Json]:
    """Return candles; those of mark and index are drawn from the trades and have no volume."""
    scale, params = _scale(office, call), call.params
    interval = params.need("interval")
    if interval not in KLINES_MS and interval not in _UNKEPT:
        raise params.complain(
            "interval", 'failed to parse "KlineInterval": Expect a valid enumeration value.'
        )
    params.need("startTime")
    start_s = params.get_int("startTime") or 0
    end_s = params.get_int("endTime")
    of_trades = params.get("priceType") in (None, "Last")
    params.get_choice("priceType", {"Last": 1, "Index": 1, "Mark": 1}, "KlinePriceType")
    if end_s is None:
        end_s = call.now_ns // NS_PER_S
    if end_s < start_s:
        raise ApiError(400, "INVALID_RANGE", "Start time must be before end time")
    if interval in _UNKEPT:
        return []
    return [
        _kline_row(one, scale, of_trades=of_trades)
        for one in office.venue.candles(scale.spec.symbol, KLINES_MS[interval])
        if start_s * 1000 <= one.open_ms <= end_s * 1000
    ]


def _kline_row(candle: Candle, scale: Scale, *, of_trades: bool) -> Json:
    """Write a candle; without a trade it has no prices."""
    traded = candle.trades > 0
    start_ns = candle.open_ms * NS_PER_MS

    def price(ticks: int) -> str | None:
        return scale.price(ticks) if traded else None

    return {
        "start": utc_text(start_ns).replace("T", " "),
        "end": utc_text(start_ns + candle.interval_ms * NS_PER_MS).replace("T", " "),
        "open": price(candle.open_ticks),
        "high": price(candle.high_ticks),
        "low": price(candle.low_ticks),
        "close": price(candle.close_ticks),
        "volume": scale.size(candle.lots) if of_trades else "0",
        "quoteVolume": amount(candle.quote) if of_trades else "0",
        "trades": str(candle.trades) if of_trades else "0",
    }


def trades(office: BackpackOffice, call: Call) -> list[Json]:
    """Return recent prints, the newest first."""
    scale = _scale(office, call)
    offset, limit = call.params.get_page(100, 1000)
    prints = office.venue.trades(scale.spec.symbol, offset + limit)
    return [_trade_row(one, scale) for one in prints[::-1][offset:]]


def _trade_row(trade: PublicTrade, scale: Scale) -> Json:
    return {
        "id": trade.trade_id,
        "price": scale.price(trade.price_ticks),
        "quantity": scale.size(trade.lots),
        "quoteQuantity": scale.quote(trade.price_ticks, trade.lots),
        "timestamp": ms(trade.time_ns),
        "isBuyerMaker": trade.aggressor is Side.SELL,
    }


def mark_prices(office: BackpackOffice, call: Call) -> list[Json]:
    """Return mark, index and funding of the perpetuals."""
    return [_mark_row(office.venue.mark(scale.spec.symbol)) for scale in _perpetuals(office, call)]


def _mark_row(mark: MarkPrice) -> Json:
    return {
        "symbol": mark.symbol,
        "markPrice": amount(mark.mark),
        "indexPrice": amount(mark.index),
        "fundingRate": amount(mark.rate),
        "nextFundingTimestamp": ms(mark.next_funding_ns),
    }


def open_interest_of(office: BackpackOffice, scale: Scale) -> str:
    """Sum what accounts hold long or short; the house holds the other side."""
    symbol = scale.spec.symbol
    held = (one.lots for name in office.uids for one in office.venue.positions(name, symbol))
    return scale.size(sum(abs(lots) for lots in held))


def open_interest(office: BackpackOffice, call: Call) -> list[Json]:
    """Return the open interest of the perpetuals."""
    return [
        {
            "symbol": scale.spec.symbol,
            "openInterest": open_interest_of(office, scale),
            "timestamp": ms(call.now_ns),
        }
        for scale in _perpetuals(office, call)
    ]


def funding_rates(office: BackpackOffice, call: Call) -> list[Json]:
    """Return the rates of past intervals, the newest first."""
    scale = _scale(office, call)
    offset, limit = call.params.get_page(100, 10_000)
    if not scale.spec.is_perpetual:
        return []
    rates = office.venue.funding_rates(scale.spec.symbol)[::-1]
    return [_rate_row(one) for one in rates[offset : offset + limit]]


def _rate_row(rate: FundingRate) -> Json:
    return {
        "symbol": rate.symbol,
        "intervalEndTimestamp": utc_text(rate.time_ns),
        "fundingRate": amount(rate.rate),
    }


def _perpetuals(office: BackpackOffice, call: Call) -> list[Scale]:
    symbol = call.params.get("symbol")
    scales = list(office.scales.values()) if symbol is None else [office.scale(symbol)]
    return [one for one in scales if one.spec.is_perpetual]


def _scale(office: BackpackOffice, call: Call) -> Scale:
    return office.scale(call.params.need("symbol"))


def _assets(office: BackpackOffice) -> list[str]:
    listed = {name for s in office.scales.values() for name in (s.spec.base, s.spec.quote)}
    return [name for name in ASSETS if name in listed] + sorted(listed - ASSETS.keys())
