"""The markets to choose from: every one of every venue, those that accounts trade first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from obiterm.core.values import Side
from obiterm.link.messages import InstrumentInfo, ListedMarket
from obiterm.ui.paint.context import MarketKey, market_of
from obiterm.ui.paint.numbers import scale_of
from obiterm.ui.state import Cockpit

WATCH_ONLY = "watch only"


def market_choices(cockpit: Cockpit) -> list[tuple[str, MarketKey]]:
    """Return one line for each market, with what is open there and who trades it."""
    marks = _open_marks(cockpit)
    traders = {market: info.accounts for market, info in cockpit.instruments.items()}
    known: dict[MarketKey, InstrumentInfo | ListedMarket] = dict(cockpit.instruments)
    for one in cockpit.listings.markets if cockpit.listings is not None else ():
        known.setdefault(market_of(one), one)
        traders[market_of(one)] = traders.get(market_of(one)) or one.accounts
    markets = sorted(known, key=lambda market: not traders[market])
    rows = [
        (
            market[1],
            known[market].kind.value,
            market[0],
            marks.get(market, ""),
            ", ".join(traders[market]) or WATCH_ONLY,
        )
        for market in markets
    ]
    return list(zip(_aligned(rows), markets, strict=True))


def listing_news(cockpit: Cockpit) -> str:
    """Say which venues are still being asked and which did not tell; empty when all have."""
    told = cockpit.listings
    if told is None:
        return "asking the venues for their markets …"
    news = [f"asking {', '.join(told.reading)} …"] if told.reading else []
    return "; ".join([*news, *told.troubles])


def how_to_trade(cockpit: Cockpit) -> str:
    """Say which line of the profile lets an account trade the shown market."""
    venue, symbol = cockpit.market
    panes = cockpit.frame.accounts if cockpit.frame is not None else []
    account = next((one.name for one in panes if one.venue == venue), "")
    traded = [key[1] for key in cockpit.markets_of(account)] if account else []
    symbols = ", ".join(f'"{one}"' for one in [*traded, symbol])
    who = f" of account {account}" if account else f" of an account of {venue}"
    return f"watch only: to trade it set symbols = [{symbols}]{who} in the profile"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """Return rows as lines with their columns below each other."""
    widths = [max(map(cell_len, column), default=0) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(text + " " * (width - cell_len(text)) for text, width in cells).rstrip()


def _open_marks(cockpit: Cockpit) -> dict[MarketKey, str]:
    """Return what is open in each market where something is: positions, count of orders."""
    frame = cockpit.frame
    if frame is None:
        return {}
    marks: dict[MarketKey, list[str]] = defaultdict(list)
    for row in frame.positions:
        info = cockpit.find_instrument(row)
        if info is not None:
            sign = "▲" if row.side is Side.BUY else "▼"
            marks[market_of(row)].append(f"{sign}{scale_of(info).quantity_fit(row.lots, 9)}")
    for market, orders in Counter(market_of(row) for row in frame.orders).items():
        marks[market].append(f"◆{orders}")
    return {market: " ".join(found) for market, found in marks.items()}
