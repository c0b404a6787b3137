"""Turn the state of the engines into a ``Frame``: read only, never on the order path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from obiterm.core.values import NS_PER_MS, OrderKind, OrderRole, OrderState, Side, TradingState
from obiterm.engine.account import AccountEngine
from obiterm.engine.panic import PanicProgress
from obiterm.link.messages import (
    AccountPane,
    AccountStatus,
    Depth,
    MarketPane,
    OrderRow,
    PanicAccount,
    PanicPane,
    PositionRow,
    RiskPane,
    StrategyCard,
)

DEPTH_LEVELS = 400
"""Levels a side that a frame carries: enough for the heat map at its widest."""
_STATUS_WALL_LEVELS = 100
_BIAS_FROM = 0.25


def depth_of(engine: AccountEngine, symbol: str, levels: int = DEPTH_LEVELS) -> Depth:
    """Return the book of a symbol, best price first."""
    bids, asks = engine.kernel.markets[symbol].book.top(levels)  # type: ignore[index]
    return Depth(
        bid_ticks=[ticks for ticks, _ in bids],
        bid_lots=[lots for _, lots in bids],
        ask_ticks=[ticks for ticks, _ in asks],
        ask_lots=[lots for _, lots in asks],
    )


def market_pane(engine: AccountEngine, symbol: str, obi_levels: int, now_ns: int) -> MarketPane:
    """Return the numbers of one market."""
    market = engine.kernel.markets[symbol]  # type: ignore[index]
    book = market.book
    bid, bid_lots, ask, ask_lots = market.best()
    obi = book.imbalance(obi_levels)
    wall_ticks, wall_lots = book.largest_level(_STATUS_WALL_LEVELS)
    spread = ask - bid if bid and ask else 0
    tradable = engine.kernel.gate.tradable(market.symbol, now_ns)
    bias = "LONG BIAS" if obi > _BIAS_FROM else "SHORT BIAS" if obi < -_BIAS_FROM else "FLAT"
    return MarketPane(
        symbol=symbol,
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
        stale=not tradable and not book.crossed,
        crossed=book.crossed,
        synced=book.synced,
    )


def age_ms(since_ns: int, now_ns: int) -> float:
    """Return an age in ms; nan when it never began."""
    return (now_ns - since_ns) / NS_PER_MS if since_ns else math.nan


def account_pane(engine: AccountEngine, now_ns: int) -> AccountPane:
    """Return one account chip."""
    gate = engine.kernel.gate
    health = engine.gateway.health()
    states = set(engine.sockets().values())
    link = "up" if states == {"up"} else "down" if "up" not in states else "partial"
    trips = health.round_trips_ms
    return AccountPane(
        name=engine.name,
        venue=engine.gateway.venue,
        environment=engine.record.environment,
        state=gate.state,
        armed=gate.armed and gate.state is not TradingState.HALTED,
        link=link,
        round_trip_ms=sorted(trips)[len(trips) // 2] if trips else math.nan,
        equity_quote=float(_equity(engine)),
        day_pnl_quote=float(gate.day_result_quote),
        note=engine.trouble,
    )


def _equity(engine: AccountEngine) -> Decimal:
    """Value every known balance in the quote currency of the first market."""
    gate = engine.kernel.gate
    total = Decimal(0)
    counted = set()
    for symbol, instrument in engine.kernel.setup.instruments.items():
        price = instrument.price(engine.kernel.markets[symbol].mark_ticks)
        for asset, value in ((instrument.quote, Decimal(1)), (instrument.base, price)):
            if asset not in counted:
                counted.add(asset)
                free, locked = gate.balances.get(asset, (Decimal(0), Decimal(0)))
                total += (free + locked) * value
    return total


def position_rows(engine: AccountEngine, now_ns: int) -> list[PositionRow]:
    """Return the account's open positions, one per symbol and owner."""
    rows = []
    gate = engine.kernel.gate
    protected = {runner.name: runner for runner in engine.kernel.runners}
    for (owner, symbol), position in gate.positions.items():
        if position.is_flat:
            continue
        instrument = engine.kernel.setup.instruments[symbol]
        mark = engine.kernel.markets[symbol].mark_ticks
        stop = next(
            (
                order.intent.trigger_ticks
                for order in engine.kernel.desk.live(symbol, owner)
                if order.intent.role is OrderRole.STOP and order.state is OrderState.OPEN
            ),
            0,
        )
        runner = protected.get(owner)
        since = runner.unprotected_since_ns if runner else position.opened_ns
        cost = instrument.quantity(abs(position.lots)) * position.average_price
        unrealised = position.unrealised(mark)
        rows.append(
            PositionRow(
                account=engine.name,
                symbol=symbol,
                side=Side.BUY if position.lots > 0 else Side.SELL,
                lots=abs(position.lots),
                entry_price=f"{position.average_price:.{instrument.price_decimals}f}",
                mark_ticks=mark,
                unrealised_quote=float(unrealised),
                unrealised_pct=float(unrealised / cost * 100) if cost else 0.0,
                realised_quote=float(position.realised_quote),
                fees_quote=float(position.fees_quote),
                stop_ticks=stop,
                unprotected_ms=0.0 if stop else age_ms(since, now_ns),
            )
        )
    return rows


def order_rows(engine: AccountEngine, now_ns: int) -> list[OrderRow]:
    """Return orders that are not final; foreign ones under the owner ``other``."""
    rows = [
        OrderRow(
            account=engine.name,
            symbol=order.intent.symbol,
            client_id=order.intent.client_id,
            side=order.intent.side,
            lots=order.intent.lots,
            filled_lots=order.filled_lots,
            price_ticks=order.intent.price_ticks,
            trigger_ticks=order.intent.trigger_ticks,
            role=order.intent.role,
            state=order.state,
            owner=order.intent.owner,
            post_only=order.intent.post_only,
            age_ms=age_ms(order.sent_ns or order.updated_ns, now_ns),
        )
        for order in engine.kernel.desk.live()
    ]
    rows += [
        OrderRow(
            account=engine.name,
            symbol=order.symbol,
            client_id=order.client_id,
            side=order.side,
            lots=order.lots,
            filled_lots=order.filled_lots,
            price_ticks=order.price_ticks,
            trigger_ticks=order.trigger_ticks,
            role=OrderRole.STOP if order.kind is OrderKind.STOP_MARKET else OrderRole.MANUAL,
            state=OrderState.PARTIAL if order.filled_lots else OrderState.OPEN,
            owner="other",
            post_only=False,
            age_ms=age_ms(order.created_ns, now_ns),
        )
        for order in engine.kernel.desk.foreign.values()
    ]
    return rows


def strategy_cards(engine: AccountEngine, now_ns: int) -> list[StrategyCard]:
    """Return one card per strategy instance."""
    cards = []
    kernel = engine.kernel
    for runner in kernel.runners:
        market = kernel.markets[runner.symbol]
        tradable = kernel.gate.tradable(runner.symbol, now_ns)
        available = kernel.gate.free(runner.instrument.quote)
        view = runner.view(market, available, tradable, now_ns)
        report = runner.setup.strategy.report(view)
        results = [float(trip.net_quote) for trip in runner.position.trips]
        equity: list[float] = []
        total = 0.0
        for result in results:
            total += result
            equity.append(total)
        cards.append(
            StrategyCard(
                account=engine.name,
                symbol=runner.symbol,
                name=runner.name,
                kind=runner.setup.strategy.kind,
                running=runner.running and kernel.state is not TradingState.HALTED,
                reason=runner.reason,
                signal=report.signal,
                enter_at=report.enter_at,
                exit_at=report.exit_at,
                position_share=report.position_share,
                realised_quote=float(runner.position.realised_quote - runner.position.fees_quote),
                round_trips=runner.position.round_trips,
                wins=sum(1 for result in results if result > 0),
                equity=equity[-60:],
                lines=[
                    *report.lines,
                    ("unprotected", f"{runner.unprotected_longest_ns / NS_PER_MS:.0f} ms longest"),
                ],
            )
        )
    return cards


def risk_pane(
    engines: Sequence[AccountEngine], loop_lag_ms: float, journal_rows: int, now_ns: int
) -> RiskPane:
    """Return the risk bar over all accounts; shares are the worst of them."""
    day_loss = exposure = weight = 0.0
    needed = resting = 0
    trips: list[float] = []
    sockets: list[str] = []
    feed_ages: list[float] = []
    fees = Decimal(0)
    for engine in engines:
        gate = engine.kernel.gate
        limits = engine.kernel.setup.limits
        loss = -float(gate.day_result_quote) / float(limits.max_daily_loss)
        day_loss = max(day_loss, loss)
        if limits.max_exposure_notional:
            used = float(gate.exposure_quote() / limits.max_exposure_notional)
            exposure = max(exposure, used)
        health = engine.gateway.health()
        weight = max(weight, health.weight_share)
        trips += health.round_trips_ms
        sockets += engine.sockets().values()
        rows = position_rows(engine, now_ns)
        needed += len(rows)
        resting += sum(1 for row in rows if row.stop_ticks)
        feed_ages += [
            age_ms(market.last_received_ns, now_ns) for market in engine.kernel.markets.values()
        ]
        fees += sum((p.fees_quote for p in gate.positions.values()), Decimal(0))
    ordered = sorted(trips)
    first = engines[0]
    return RiskPane(
        armed=sum(
            1 for e in engines if e.kernel.gate.armed and e.kernel.state is TradingState.ACTIVE
        ),
        accounts=len(engines),
        day_loss_share=max(0.0, day_loss),
        exposure_share=exposure,
        orders_open=sum(engine.kernel.desk.live_count for engine in engines),
        orders_limit=sum(engine.kernel.setup.limits.max_open_orders for engine in engines),
        weight_share=weight,
        rtt_p50_ms=ordered[len(ordered) // 2] if ordered else math.nan,
        rtt_p99_ms=ordered[int(0.99 * len(ordered))] if ordered else math.nan,
        tick_to_order_p50_us=first.decisions.percentile_ns(0.5) / 1_000,
        tick_to_order_p99_us=first.decisions.percentile_ns(0.99) / 1_000,
        sockets=sockets,
        gaps=sum(m.book.gaps for engine in engines for m in engine.kernel.markets.values()),
        loop_lag_ms=loop_lag_ms,
        feed_age_ms=max(feed_ages, default=math.nan),
        stops_resting=resting,
        stops_needed=needed,
        fees_quote=float(fees),
        journal_rows=journal_rows,
        refusals=sum(engine.kernel.gate.refusals for engine in engines),
    )


def panic_pane(engines: Sequence[AccountEngine]) -> PanicPane | None:
    """Return the progress of a kill or exit, from the first key until re-armed."""
    running: list[tuple[AccountEngine, PanicProgress]] = []
    for engine in engines:
        progress = engine.panic.progress
        if progress is not None and engine.kernel.state is TradingState.HALTED:
            running.append((engine, progress))
    if not running:
        return None
    first = running[0][1]
    return PanicPane(
        flatten=any(p.flatten for _, p in running),
        who=first.who,
        started_ns=first.started_ns,
        accounts=[
            PanicAccount(
                account=engine.name,
                done=p.done,
                cancelled=p.cancelled,
                left_orders=p.left_orders,
                left_positions=p.left_positions,
                attempt=p.attempt,
                elapsed_ms=p.elapsed_ms,
                text=p.text,
            )
            for engine, p in running
        ],
    )


def account_status(engine: AccountEngine, now_ns: int) -> AccountStatus:
    """Return one account for ``obiterm status``."""
    ages = [age_ms(m.last_received_ns, now_ns) for m in engine.kernel.markets.values()]
    return AccountStatus(
        name=engine.name,
        venue=engine.gateway.venue,
        environment=engine.record.environment,
        state=engine.kernel.state,
        rest=engine.gateway.rest_url,
        open_orders=engine.kernel.desk.live_count,
        positions=position_rows(engine, now_ns),
        feed_age_ms=max(ages, default=math.nan),
    )
