"""Rows of a frame: what one engine holds, has in the market and thinks. Read only."""

from __future__ import annotations

import math
from decimal import Decimal

from obiterm.core.instruments import Instrument
from obiterm.core.values import (
    NS_PER_MS,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    TradingState,
)
from obiterm.engine.account import AccountEngine
from obiterm.link.messages import InstrumentInfo, OrderRow, PositionRow, StrategyCard
from obiterm.trading.positions import Position

_EQUITY_POINTS = 60


def age_ms(since_ns: int, now_ns: int) -> float:
    """Return an age in ms; nan when it never began."""
    return (now_ns - since_ns) / NS_PER_MS if since_ns else math.nan


def equity_quote(engine: AccountEngine) -> Decimal:
    """Value every known balance in quote, with what open perpetual positions gain or lose.

    Quote currencies of several markets count one for one (USDT, USDC).
    """
    gate = engine.kernel.gate
    total = Decimal(0)
    counted = set()
    for symbol, instrument in engine.kernel.setup.instruments.items():
        price = instrument.price(engine.kernel.markets[symbol].mark_ticks)
        for asset, value in ((instrument.money, Decimal(1)), (instrument.base, price)):
            if asset not in counted:
                counted.add(asset)
                free, locked = gate.balances.get(asset, (Decimal(0), Decimal(0)))
                total += (free + locked) * value
    for (_, symbol), position in gate.positions.items():
        if engine.kernel.setup.instruments[symbol].is_perpetual and not position.is_flat:
            total += position.unrealised(engine.kernel.markets[symbol].mark_ticks)
    return total


def position_rows(engine: AccountEngine, venue: str, now_ns: int) -> list[PositionRow]:
    """Return the account's open positions, one per market and owner."""
    equity = float(equity_quote(engine))
    return [
        _position_row(engine, venue, owner, symbol, position, equity, now_ns)
        for (owner, symbol), position in engine.kernel.gate.positions.items()
        if not position.is_flat
    ]


def _position_row(
    engine: AccountEngine,
    venue: str,
    owner: str,
    symbol: Symbol,
    position: Position,
    equity: float,
    now_ns: int,
) -> PositionRow:
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
    runner = next((one for one in engine.kernel.runners if one.name == owner), None)
    since = runner.unprotected_since_ns if runner else position.opened_ns
    cost = instrument.quantity(abs(position.lots)) * position.average_price
    unrealised = position.unrealised(mark)
    leverage, liquidation = math.nan, 0
    if instrument.is_perpetual:
        told = engine.kernel.gate.venue.report(symbol)
        if told is not None and told.liquidation_price > 0:
            liquidation = round(told.liquidation_price / instrument.tick_size)
        if equity > 0:
            net = abs(engine.kernel.gate.net_lots(symbol))
            leverage = float(instrument.notional(mark, net)) / equity
    return PositionRow(
        account=engine.name,
        venue=venue,
        symbol=symbol,
        side=Side.BUY if position.lots > 0 else Side.SELL,
        lots=abs(position.lots),
        quantity=f"{instrument.quantity(abs(position.lots)).normalize():f} {instrument.base}",
        entry_price=f"{position.average_price:.{instrument.price_decimals}f}",
        mark_ticks=mark,
        unrealised_quote=float(unrealised),
        unrealised_pct=float(unrealised / cost * 100) if cost else 0.0,
        realised_quote=float(position.realised_quote),
        fees_quote=float(position.fees_quote),
        owner=owner,
        stop_ticks=stop,
        unprotected_ms=0.0 if stop else age_ms(since, now_ns),
        liquidation_ticks=liquidation,
        leverage=leverage,
    )


def differences(engine: AccountEngine) -> list[str]:
    """Say where the venue holds something else than our own fills make."""
    kernel, words = engine.kernel, []
    for symbol, instrument in kernel.setup.instruments.items():
        if kernel.gate.venue.is_hedged(symbol):
            words.append(
                f"{symbol}: the venue keeps long and short apart (hedge mode); "
                "switch the account to one-way mode"
            )
        lots = kernel.gate.venue.foreign.get(symbol, 0)
        if lots:
            amount = f"{instrument.quantity(lots).normalize():+f} {instrument.base}"
            words.append(
                f"{symbol}: {amount} at the venue are not of our fills and are left alone; "
                "close them there if nobody else trades this account"
            )
    return words


def order_rows(engine: AccountEngine, venue: str, now_ns: int) -> list[OrderRow]:
    """Return orders that are not final; foreign ones under the owner ``other``."""
    rows = [
        OrderRow(
            account=engine.name,
            venue=venue,
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
            venue=venue,
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


def strategy_cards(engine: AccountEngine, venue: str, now_ns: int) -> list[StrategyCard]:
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
                venue=venue,
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
                equity=equity[-_EQUITY_POINTS:],
                lines=[
                    *report.lines,
                    ("unprotected", f"{runner.unprotected_longest_ns / NS_PER_MS:.0f} ms longest"),
                ],
            )
        )
    return cards


def instrument_info(
    instrument: Instrument, venue: str, sizes: tuple[Decimal, ...], accounts: list[str]
) -> InstrumentInfo:
    """Return how to print and bound a market; sizes below its smallest order are left out."""
    lots = [instrument.lots_down(size) for size in sizes]
    presets = sorted({one for one in lots if one >= instrument.min_lots})
    return InstrumentInfo(
        venue=venue,
        symbol=instrument.symbol,
        kind=instrument.kind,
        base=instrument.base,
        quote=instrument.quote,
        tick_size=f"{instrument.tick_size:f}",
        lot_size=f"{instrument.lot_size:f}",
        price_decimals=instrument.price_decimals,
        quantity_decimals=instrument.quantity_decimals,
        min_notional=f"{instrument.min_notional:f}",
        min_lots=instrument.min_lots,
        size_presets=presets or [instrument.min_lots],
        accounts=accounts,
    )
