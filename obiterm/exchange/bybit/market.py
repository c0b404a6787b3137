"""Public operations: time, markets, book, prints, candles, tickers (bybit.md §4)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Candle, MarkPrice, PublicTrade
from obiterm.exchange.bybit import errors, numbers
from obiterm.exchange.bybit.category import OTHER_CATEGORIES, Category
from obiterm.exchange.bybit.numbers import Json, Scale, amount, ms_text
from obiterm.exchange.bybit.office import SIDE_WORDS, BackOffice, Call
from obiterm.exchange.bybit.order_request import price_limits, read_category, read_market
from obiterm.exchange.candles import INTERVALS_MS, MINUTE_MS

INTERVALS: dict[str, int] = {
    "1": INTERVALS_MS["1m"],
    "3": INTERVALS_MS["3m"],
    "5": INTERVALS_MS["5m"],
    "15": INTERVALS_MS["15m"],
    "30": INTERVALS_MS["30m"],
    "60": INTERVALS_MS["1h"],
    "120": INTERVALS_MS["2h"],
    "240": INTERVALS_MS["4h"],
    "360": INTERVALS_MS["6h"],
    "720": INTERVALS_MS["12h"],
    "D": INTERVALS_MS["1d"],
}
_DAY_CANDLES = 1440
_HOUR_CANDLES = 60


def server_time(office: BackOffice, call: Call) -> Json:
    """Tell the exchange's clock."""
    now_ns = office.clock_ns()
    return {"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)}


def instruments(office: BackOffice, call: Call) -> Json:
    """Describe the markets of a category; products that are not here have none."""
    params = call.params
    name = params.need("category")
    rows: list[Json] = []
    if name not in OTHER_CATEGORIES:
        category = read_category(params)
        symbol, base, status = params.get("symbol"), params.get("baseCoin"), params.get("status")
        rows = [
            _linear_info(office, scale) if category is Category.LINEAR else _spot_info(scale)
            for scale in office.markets(category)
            if symbol in (None, scale.symbol)
            and base in (None, scale.spec.base)
            and status in (None, "Trading")
        ]
    result: Json = {"category": name, "list": rows}
    return result if name == "spot" else result | {"nextPageCursor": ""}


def _linear_info(office: BackOffice, scale: Scale) -> Json:
    spec = scale.spec
    tick, lot = format(spec.tick_size, "f"), format(spec.lot_size, "f")
    cap, band = amount(spec.funding_cap), amount(spec.mark_band)
    return {
        "symbol": scale.symbol,
        "symbolId": 5,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": spec.base,
        "quoteCoin": spec.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{spec.max_leverage:.2f}",
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": scale.price(spec.min_price_ticks),
            "maxPrice": scale.price(spec.max_price_ticks),
            "tickSize": tick,
        },
        "lotSizeFilter": {
            "maxOrderQty": scale.size(spec.max_lots),
            "minOrderQty": scale.size(spec.min_lots),
            "qtyStep": lot,
            "postOnlyMaxOrderQty": scale.size(spec.max_lots),
            "maxMktOrderQty": scale.size(spec.market_max_lots),
            "minNotionalValue": amount(spec.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": spec.funding_interval_s // 60,
        "settleCoin": spec.settle,
        "copyTrading": "none",
        "upperFundingRate": cap,
        "lowerFundingRate": f"-{cap}",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": band, "priceLimitRatioY": band},
        "symbolType": "",
    }


def _spot_info(scale: Scale) -> Json:
    spec = scale.spec
    most, market_most = scale.size(spec.max_lots), scale.size(spec.market_max_lots)
    return {
        "symbolId": 9,
        "symbol": scale.symbol,
        "baseCoin": spec.base,
        "quoteCoin": spec.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": format(spec.lot_size, "f"),
            "quotePrecision": "0.0000001",
            "minOrderQty": scale.size(spec.min_lots),
            "maxOrderQty": most,
            "minOrderAmt": amount(spec.min_notional),
            "maxOrderAmt": amount(spec.max_notional),
            "maxLimitOrderQty": most,
            "maxMarketOrderQty": market_most,
            "postOnlyMaxLimitOrderSize": most,
        },
        "priceFilter": {"tickSize": format(spec.tick_size, "f")},
        "riskParameters": {
            "priceLimitRatioX": amount(spec.multiplier_up - 1),
            "priceLimitRatioY": amount(spec.multiplier_up - 1),
        },
        "symbolType": "",
    }


def orderbook(office: BackOffice, call: Call) -> Json:
    """Return the book's best levels."""
    scale = read_market(office, call.params)
    default = 1 if scale.category is Category.SPOT else 25
    limit = call.params.limit(default, 1000)
    last_id, bids, asks = office.venue.depth(scale.spec.symbol, limit)
    now_ms = numbers.ms(call.now_ns)
    return {
        "s": scale.symbol,
        "b": scale.levels(bids),
        "a": scale.levels(asks),
        "ts": now_ms,
        "u": last_id,
        "seq": last_id,
        "cts": now_ms,
    }


def trade_row(print_: PublicTrade, scale: Scale) -> Json:
    """Write a print as queries have it."""
    return {
        "execId": numbers.trade_id(scale.category, print_.trade_id),
        "symbol": scale.symbol,
        "price": scale.price(print_.price_ticks),
        "size": scale.size(print_.lots),
        "side": SIDE_WORDS[print_.aggressor],
        "time": ms_text(print_.time_ns),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(print_.trade_id),
    }


def recent_trades(office: BackOffice, call: Call) -> Json:
    """Return the newest prints, newest first."""
    scale = read_market(office, call.params)
    spot = scale.category is Category.SPOT
    limit = call.params.limit(60 if spot else 500, 60 if spot else 1000)
    rows = [trade_row(one, scale) for one in office.venue.trades(scale.spec.symbol, limit)]
    return {"category": scale.category.value, "list": rows[::-1]}


def kline(office: BackOffice, call: Call) -> Json:
    """Return candles, newest first; the first one may be unfinished."""
    params = call.params
    category = Category(params.choice("category", ("spot", "linear"), "linear"))
    scale = office.market(category, params.need("symbol"))
    length_ms = INTERVALS.get(params.need("interval"))
    if length_ms is None:
        raise errors.bad("Invalid period!")
    start, end, limit = params.time_ms("start"), params.time_ms("end"), params.limit(200, 1000)
    rows = [
        one
        for one in office.venue.candles(scale.spec.symbol, length_ms)
        if (start is None or one.open_ms >= start) and (end is None or one.open_ms <= end)
    ]
    chosen = rows[:limit] if start is not None and end is None else rows[-limit:]
    return {
        "symbol": scale.symbol,
        "category": category.value,
        "list": [_kline_row(one, scale) for one in reversed(chosen)],
    }


def _kline_row(candle: Candle, scale: Scale) -> list[str]:
    return [
        str(candle.open_ms),
        scale.price(candle.open_ticks),
        scale.price(candle.high_ticks),
        scale.price(candle.low_ticks),
        scale.price(candle.close_ticks),
        scale.size(candle.lots),
        amount(candle.quote),
    ]


def tickers(office: BackOffice, call: Call) -> Json:
    """Return the statistics of one market of a category, or of all."""
    name = call.params.need("category")
    if name in OTHER_CATEGORIES:
        return {"category": name, "list": []}
    category, symbol = read_category(call.params), call.params.get("symbol")
    chosen = office.markets(category) if symbol is None else [office.market(category, symbol)]
    return {"category": name, "list": [ticker(office, scale) for scale in chosen]}


def ticker(office: BackOffice, scale: Scale) -> Json:
    """Write the statistics of the last 24 hours with the best prices."""
    symbol = scale.spec.symbol
    top = office.venue.top(symbol)
    row = day(office, scale) | {
        "bid1Price": scale.price(top.bid_ticks) if top.bid_lots else "",
        "bid1Size": scale.size(top.bid_lots),
        "ask1Price": scale.price(top.ask_ticks) if top.ask_lots else "",
        "ask1Size": scale.size(top.ask_lots),
    }
    if scale.category is Category.SPOT:
        return row | {"usdIndexPrice": scale.mark(office.venue.index(symbol))}
    return row | _contract(office, scale)


def day(office: BackOffice, scale: Scale) -> Json:
    """Sum up the last 24 hours from one-minute candles."""
    candles = office.venue.candles(scale.spec.symbol, MINUTE_MS)[-_DAY_CANDLES:]
    first, last = candles[0].open_ticks, candles[-1].close_ticks
    turnover = sum((one.quote for one in candles), Decimal(0))
    return {
        "symbol": scale.symbol,
        "lastPrice": scale.price(last),
        "prevPrice24h": scale.price(first),
        "price24hPcnt": amount((Decimal(last - first) / first).quantize(Decimal("0.000001"))),
        "highPrice24h": scale.price(max(one.high_ticks for one in candles)),
        "lowPrice24h": scale.price(min(one.low_ticks for one in candles)),
        "turnover24h": amount(turnover),
        "volume24h": scale.size(sum(one.lots for one in candles)),
    }


def _contract(office: BackOffice, scale: Scale) -> Json:
    symbol = scale.spec.symbol
    told: MarkPrice = office.venue.mark(symbol)
    candles = office.venue.candles(symbol, MINUTE_MS)[-_HOUR_CANDLES:]
    row: Json = dict.fromkeys(
        (
            "predictedDeliveryPrice",
            "basisRate",
            "deliveryFeeRate",
            "preOpenPrice",
            "preQty",
            "curPreListingPhase",
        ),
        "",
    )
    return row | {
        "indexPrice": scale.mark(told.index),
        "markPrice": scale.mark(told.mark),
        "prevPrice1h": scale.price(candles[0].open_ticks),
        "openInterest": "0",
        "openInterestValue": "0",
        "fundingRate": amount(told.rate),
        "nextFundingTime": ms_text(told.next_funding_ns),
        "fundingIntervalHour": str(scale.spec.funding_interval_s // 3600),
        "fundingCap": amount(scale.spec.funding_cap),
        "deliveryTime": "0",
    }


def funding_history(office: BackOffice, call: Call) -> Json:
    """Return past funding rates, newest first."""
    params = call.params
    scale = read_market(office, params)
    if scale.category is Category.SPOT:
        raise errors.invalid("category")
    start, end = params.time_ms("startTime"), params.time_ms("endTime")
    if start is not None and end is None:
        raise errors.bad("params error: endTime is required with startTime")
    rows = [
        {
            "symbol": scale.symbol,
            "fundingRate": amount(one.rate),
            "fundingRateTimestamp": ms_text(one.time_ns),
        }
        for one in reversed(office.venue.funding_rates(scale.spec.symbol))
        if (start is None or numbers.ms(one.time_ns) >= start)
        and (end is None or numbers.ms(one.time_ns) <= end)
    ]
    return {"category": "linear", "list": rows[: params.limit(200, 200)]}


def price_limit(office: BackOffice, call: Call) -> Json:
    """Return the highest bid and the lowest ask that are allowed."""
    params = call.params
    category = Category(params.choice("category", ("spot", "linear"), "linear"))
    scale = office.market(category, params.need("symbol"))
    low, high = price_limits(office, scale)
    return {
        "symbol": scale.symbol,
        "buyLmt": scale.price(high),
        "sellLmt": scale.price(low),
        "ts": ms_text(call.now_ns),
    }
