"""Turn the state of accounts into parts of a ``Frame``: read only, never on the order path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from obiterm.core.values import NS_PER_MS, Symbol, TradingState
from obiterm.engine.account import AccountEngine
from obiterm.engine.panic import PanicProgress
from obiterm.host.places import MarketKey
from obiterm.host.rows import age_ms, differences, equity_quote, position_rows
from obiterm.host.slots import AccountSlot
from obiterm.host.spectators import Spectator
from obiterm.link.messages import (
    AccountPane,
    AccountStatus,
    Depth,
    MarketPane,
    PanicAccount,
    PanicPane,
    RiskPane,
)
from obiterm.market.book import Book
from obiterm.market.state import MarketState

DEPTH_LEVELS = 400
"""Levels a side that a frame carries: enough for the heat map at its widest."""
_STATUS_WALL_LEVELS = 100
_BIAS_FROM = 0.25

EMPTY_DEPTH = Depth(bid_ticks=[], bid_lots=[], ask_ticks=[], ask_lots=[])


def depth_of(book: Book, levels: int = DEPTH_LEVELS) -> Depth:
    """Return a book, best price first."""
    bids, asks = book.top(levels)
    return Depth(
        bid_ticks=[ticks for ticks, _ in bids],
        bid_lots=[lots for _, lots in bids],
        ask_ticks=[ticks for ticks, _ in asks],
        ask_lots=[lots for _, lots in asks],
    )


def market_pane(
    engine: AccountEngine, venue: str, symbol: str, obi_levels: int, now_ns: int
) -> MarketPane:
    """Return the numbers of one market that an account trades."""
    market = engine.kernel.markets[Symbol(symbol)]
    tradable = engine.kernel.gate.tradable(market.symbol, now_ns)
    return _numbers(market, venue, obi_levels, now_ns, tradable)


def watched_market(spectator: Spectator | None, key: MarketKey, now_ns: int) -> MarketPane:
    """Return the numbers of a market that no account trades."""
    market = spectator.state if spectator is not None else None
    if spectator is None or market is None:
        pane = unknown_market(*key)
    else:
        pane = _numbers(market, key[0], market.obi_levels, now_ns, spectator.is_fresh(now_ns))
    trouble = spectator.trouble if spectator is not None else ""
    return msgspec.structs.replace(pane, watch_only=True, trouble=trouble)


def _numbers(
    market: MarketState, venue: str, obi_levels: int, now_ns: int, fresh: bool
) -> MarketPane:
    book = market.book
    bid, bid_lots, ask, ask_lots = market.best()
    obi = book.imbalance(obi_levels)
    wall_ticks, wall_lots = book.largest_level(_STATUS_WALL_LEVELS)
    spread = ask - bid if bid and ask else 0
    bias = "LONG BIAS" if obi > _BIAS_FROM else "SHORT BIAS" if obi < -_BIAS_FROM else "FLAT"
    funding = market.funding
    return MarketPane(
        venue=venue,
        symbol=market.symbol,
        bid_ticks=bid,
        bid_lots=bid_lots,
        ask_ticks=ask,
        ask_lots=ask_lots,
        last_ticks=market.last_ticks,
        last_up=market.last_up,
        change_pct=market.change_pct,
        obi=obi,
        obi_levels=obi_levels,
        micro_ticks=book.micro_ticks(),
        spread_ticks=spread,
        spread_bps=10_000 * spread / ask if ask else math.nan,
        flow=market.flow_now(now_ns),
        atr_ticks=market.atr.value,
        volume_quote=float(market.volume_quote),
        wall_ticks=wall_ticks,
        wall_lots=wall_lots,
        bias=bias,
        feed_age_ms=age_ms(market.last_received_ns, now_ns),
        stale=not fresh and not book.crossed,
        crossed=book.crossed,
        synced=book.synced,
        mark_ticks=funding.mark_ticks if funding is not None else 0,
        funding_rate=float(funding.rate) if funding is not None else math.nan,
        next_funding_ns=funding.next_funding_ns if funding is not None else 0,
    )


def unknown_market(venue: str, symbol: str) -> MarketPane:
    """Return the numbers of a market whose accounts are not prepared yet: none."""
    return MarketPane(
        venue=venue,
        symbol=symbol,
        bid_ticks=0,
        bid_lots=0,
        ask_ticks=0,
        ask_lots=0,
        last_ticks=0,
        last_up=True,
        change_pct=math.nan,
        obi=math.nan,
        obi_levels=20,
        micro_ticks=math.nan,
        spread_ticks=0,
        spread_bps=math.nan,
        flow=math.nan,
        atr_ticks=math.nan,
        volume_quote=0.0,
        wall_ticks=0,
        wall_lots=0,
        bias="FLAT",
        feed_age_ms=math.nan,
        stale=True,
        crossed=False,
        synced=False,
        mark_ticks=0,
        funding_rate=math.nan,
        next_funding_ns=0,
    )


def account_pane(slot: AccountSlot, venue: str) -> AccountPane:
    """Return one account chip; one that is not prepared shows its state and why."""
    engine = slot.engine
    if engine is None:
        return AccountPane(
            name=slot.name,
            venue=venue,
            environment=slot.environment,
            state=slot.state,
            armed=False,
            holding=slot.holding,
            prepared=False,
            link="down",
            round_trip_ms=math.nan,
            equity_quote=math.nan,
            day_pnl_quote=math.nan,
            note=slot.trouble,
            weight_share=math.nan,
            clock_offset_ms=math.nan,
            differences=[],
            self_trades_prevented=0,
        )
    gate = engine.kernel.gate
    health = engine.gateway.health()
    sockets = engine.sockets()
    states = set(sockets.values())
    link = "up" if states == {"up"} else "down" if "up" not in states else "partial"
    trips = health.round_trips_ms
    return AccountPane(
        name=slot.name,
        venue=venue,
        environment=slot.environment,
        state=gate.state,
        armed=gate.armed and gate.state is not TradingState.HALTED,
        holding=slot.holding,
        prepared=True,
        link=link,
        round_trip_ms=sorted(trips)[len(trips) // 2] if trips else math.nan,
        equity_quote=float(equity_quote(engine)),
        day_pnl_quote=float(gate.day_result_quote),
        note=slot.trouble or link_note(sockets),
        weight_share=health.weight_share,
        clock_offset_ms=gate.clock_offset_ns / NS_PER_MS,
        differences=differences(engine),
        self_trades_prevented=engine.door.prevented,
    )


def link_note(sockets: Mapping[str, str]) -> str:
    """Say which connections are missing; empty when all are up."""
    words = [
        f"{', '.join(names)} {state}"
        for state in ("down", "stale")
        if (names := [name for name, one in sockets.items() if one == state])
    ]
    return f"connections: {'; '.join(words)}. It reconnects by itself" if words else ""


def risk_pane(
    slots: Sequence[AccountSlot],
    account: str,
    loop_lag_ms: float,
    journal_rows: int,
    now_ns: int,
) -> RiskPane:
    """Return the risk bar of the chosen account, or of all when ``account`` names none."""
    every = [slot.engine for slot in slots if slot.engine is not None]
    engines = [engine for engine in every if engine.name == account] if account else every
    health = [engine.gateway.health() for engine in engines]
    trips = [sorted(one.round_trips_ms) for one in health if one.round_trips_ms]
    decided = [engine.decisions for engine in engines if engine.decisions.count]
    p50_us, p99_us = (
        max((one.percentile_ns(share) / 1_000 for one in decided), default=math.nan)
        for share in (0.5, 0.99)
    )
    offsets = [engine.kernel.gate.clock_offset_ns / NS_PER_MS for engine in engines]
    sockets, gaps, oldest_ms = _feeds(engines, now_ns)
    held = [row for engine in engines for row in position_rows(engine, "", now_ns)]
    positions = [one for engine in engines for one in engine.kernel.gate.positions.values()]
    return RiskPane(
        account=account if engines else "",
        armed=sum(
            1 for e in every if e.kernel.gate.armed and e.kernel.state is TradingState.ACTIVE
        ),
        accounts=len(slots),
        day_loss_share=max((_day_loss_share(engine) for engine in engines), default=0.0),
        exposure_share=max((_exposure_share(engine) for engine in engines), default=0.0),
        orders_open=sum(engine.kernel.desk.live_count for engine in engines),
        orders_limit=sum(engine.kernel.setup.limits.max_open_orders for engine in engines),
        weight_share=max((one.weight_share for one in health), default=0.0),
        clock_offset_ms=max(offsets, key=abs, default=math.nan),
        rtt_p50_ms=max((one[len(one) // 2] for one in trips), default=math.nan),
        rtt_p99_ms=max((one[int(0.99 * len(one))] for one in trips), default=math.nan),
        tick_to_order_p50_us=p50_us,
        tick_to_order_p99_us=p99_us,
        sockets=sockets,
        gaps=gaps,
        loop_lag_ms=loop_lag_ms,
        feed_age_ms=oldest_ms,
        stops_resting=sum(1 for row in held if row.stop_ticks),
        stops_needed=len(held),
        fees_quote=float(sum(one.fees_quote for one in positions)),
        funding_quote=float(sum(engine.kernel.gate.funding.total for engine in engines)),
        journal_rows=journal_rows,
        refusals=sum(engine.kernel.gate.refusals for engine in engines),
        self_trades_prevented=sum(engine.door.prevented for engine in engines),
    )


def _day_loss_share(engine: AccountEngine) -> float:
    limit = engine.kernel.setup.limits.max_daily_loss
    return max(0.0, -float(engine.kernel.gate.day_result_quote) / float(limit))


def _exposure_share(engine: AccountEngine) -> float:
    limit = engine.kernel.setup.limits.max_exposure_notional
    return float(engine.kernel.gate.exposure_quote() / limit) if limit else 0.0


def _feeds(engines: Sequence[AccountEngine], now_ns: int) -> tuple[list[str], int, float]:
    """Return the state of every socket, gaps, and the age of the oldest book in ms.

    What accounts of a venue share counts once.
    """
    sockets: dict[tuple[int, str], str] = {}
    gaps: dict[tuple[int, str], int] = {}
    ages: list[float] = []
    for engine in engines:
        shared, private = id(engine.feed), engine.gateway.health().sockets
        for name, state in engine.sockets().items():
            sockets[(id(engine) if name in private else shared, name)] = state
        for symbol, market in engine.kernel.markets.items():
            ages.append(age_ms(market.last_received_ns, now_ns))
            key = (shared, str(symbol))
            gaps[key] = max(gaps.get(key, 0), market.book.gaps)
    return list(sockets.values()), sum(gaps.values()), max(ages, default=math.nan)


def panic_pane(slots: Sequence[AccountSlot]) -> PanicPane | None:
    """Return the progress of a kill or exit, from the first key until re-armed."""
    running: list[tuple[AccountSlot, PanicProgress]] = []
    for slot in slots:
        progress = slot.panic
        if progress is not None and slot.state is TradingState.HALTED:
            running.append((slot, progress))
    if not running:
        return None
    first = min((p for _, p in running), key=lambda p: p.started_ns)
    return PanicPane(
        flatten=any(p.flatten for _, p in running),
        who=first.who,
        started_ns=first.started_ns,
        accounts=[
            PanicAccount(
                account=slot.name,
                done=p.done,
                cancelled=p.cancelled,
                left_orders=p.left_orders,
                left_positions=p.left_positions,
                attempt=p.attempt,
                elapsed_ms=p.elapsed_ms,
                text=p.text,
            )
            for slot, p in running
        ],
    )


def account_status(slot: AccountSlot, now_ns: int) -> AccountStatus:
    """Return one account for ``obiterm status``."""
    engine = slot.engine
    ages: list[float] = []
    if engine is not None:
        ages = [age_ms(m.last_received_ns, now_ns) for m in engine.kernel.markets.values()]
    return AccountStatus(
        name=slot.name,
        venue=slot.venue,
        environment=slot.environment,
        state=slot.state,
        rest=slot.rest_url,
        open_orders=engine.kernel.desk.live_count if engine is not None else 0,
        positions=position_rows(engine, slot.venue, now_ns) if engine is not None else [],
        feed_age_ms=max(ages, default=math.nan),
        trouble=slot.trouble,
        standing=slot.standing,
    )
