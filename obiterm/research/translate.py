"""The simulated exchange's own words as events, for runs in one process."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from obiterm.core.events import (
    AccountEvent,
    BalanceChanged,
    DepthChanged,
    DepthSnapshotted,
    Event,
    Filled,
    FundingChanged,
    FundingPaid,
    OrderReported,
    PositionReported,
    TopChanged,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderState,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from obiterm.exchange.api import (
    BalanceUpdate,
    DepthDelta,
    FundingPayment,
    Kind,
    MarketSpec,
    MarkPrice,
    NewOrder,
    Order,
    OrderUpdate,
    Output,
    Position,
    PositionUpdate,
    PublicTrade,
    Status,
    Stp,
    Tif,
    Top,
    VenueCore,
)

_STATES = {
    Status.NEW: OrderState.OPEN,
    Status.PARTIALLY_FILLED: OrderState.PARTIAL,
    Status.FILLED: OrderState.FILLED,
    Status.CANCELED: OrderState.CANCELLED,
    Status.EXPIRED: OrderState.EXPIRED,
    Status.EXPIRED_IN_MATCH: OrderState.EXPIRED,
    Status.REJECTED: OrderState.REJECTED,
}
_KINDS = {
    Kind.LIMIT: OrderKind.LIMIT,
    Kind.LIMIT_MAKER: OrderKind.LIMIT,
    Kind.MARKET: OrderKind.MARKET,
}


def instrument_of(spec: MarketSpec, venue: str) -> Instrument:
    """Return a market of the exchange as an instrument."""
    return Instrument(
        venue=venue,
        symbol=Symbol(spec.symbol),
        kind=spec.kind,
        base=spec.base,
        quote=spec.quote,
        tick_size=spec.tick_size,
        lot_size=spec.lot_size,
        min_lots=spec.min_lots,
        max_lots=spec.max_lots,
        market_max_lots=spec.market_max_lots,
        min_price_ticks=spec.min_price_ticks,
        max_price_ticks=spec.max_price_ticks,
        min_notional=spec.min_notional,
        max_open_orders=spec.max_open_orders,
        maker_fee=spec.maker_fee,
        taker_fee=spec.taker_fee,
        settle=spec.settle,
        max_leverage=spec.max_leverage,
        maintenance_margin=spec.maintenance_margin,
        funding_interval_s=spec.funding_interval_s if spec.is_perpetual else 0,
    )


def new_order(intent: OrderIntent, market: MarketSpec) -> NewOrder:
    """Return an intent as the exchange takes it."""
    if intent.kind is OrderKind.STOP_MARKET:
        kind = Kind.STOP_MARKET
    elif intent.kind is OrderKind.MARKET:
        kind = Kind.MARKET
    else:
        kind = Kind.LIMIT_MAKER if intent.post_only else Kind.LIMIT
    tif = {TimeInForce.IOC: Tif.IOC, TimeInForce.FOK: Tif.FOK}.get(intent.time_in_force, Tif.GTC)
    return NewOrder(
        symbol=intent.symbol,
        side=intent.side,
        kind=kind,
        client_id=intent.client_id,
        lots=intent.lots,
        price_ticks=intent.price_ticks,
        trigger_ticks=intent.trigger_ticks,
        tif=tif,
        stp=Stp.EXPIRE_TAKER,
        reduce_only=intent.reduce_only and market.is_perpetual,
    )


def reported(order: Order, now_ns: int) -> OrderReported:
    """Return an order's state."""
    return OrderReported(
        symbol=Symbol(order.symbol),
        client_id=ClientOrderId(order.client_id),
        venue_id=VenueOrderId(str(order.order_id)),
        state=_STATES[order.status],
        side=order.side,
        kind=_KINDS.get(order.kind, OrderKind.STOP_MARKET),
        lots=order.lots,
        filled_lots=order.filled_lots,
        price_ticks=order.price_ticks,
        trigger_ticks=order.trigger_ticks,
        event_ns=order.updated_ns,
        received_ns=now_ns,
        code=order.expiry_reason,
    )


def live_order(order: Order) -> LiveOrder:
    """Return an order that rests."""
    return LiveOrder(
        symbol=Symbol(order.symbol),
        client_id=ClientOrderId(order.client_id),
        venue_id=VenueOrderId(str(order.order_id)),
        side=order.side,
        kind=_KINDS.get(order.kind, OrderKind.STOP_MARKET),
        lots=order.lots,
        filled_lots=order.filled_lots,
        price_ticks=order.price_ticks,
        trigger_ticks=order.trigger_ticks,
        created_ns=order.created_ns,
    )


def position(held: Position, at_ns: int, now_ns: int) -> PositionReported:
    """Return a position as the exchange knows it at ``at_ns``; hedge legs keep their name."""
    leg = held.side.value
    return PositionReported(
        symbol=Symbol(held.symbol),
        lots=held.lots,
        entry_price=held.entry,
        mark_price=held.mark,
        liquidation_price=held.liquidation_price,
        unrealised_quote=held.unrealised,
        event_ns=at_ns,
        received_ns=now_ns,
        leg="" if leg == "BOTH" else leg,
    )


def balances(
    venue: VenueCore, account: str, assets: Iterable[str] = ()
) -> list[tuple[str, Decimal, Decimal]]:
    """Return ``(asset, free, locked)`` of ``assets``, by default of all.

    What margin binds of a settle asset is locked.
    """
    settles = {spec.settle for spec in venue.markets.values() if spec.is_perpetual}
    held = venue.balances(account)
    told: list[tuple[str, Decimal, Decimal]] = []
    for asset in assets or held:
        free, locked = held.get(asset, (Decimal(0), Decimal(0)))
        if asset in settles:
            collateral = venue.collateral(account, asset)
            free, locked = collateral.available, collateral.wallet - collateral.available
        told.append((asset, free, locked))
    return told


def account_events(output: Output, now_ns: int) -> list[AccountEvent]:
    """Return what an account learns from one output; a fill comes before its order's state."""
    if isinstance(output, BalanceUpdate):
        return [
            BalanceChanged(asset, free, locked, output.time_ns, now_ns)
            for asset, free, locked in output.balances
        ]
    if isinstance(output, PositionUpdate):
        return [position(output.position, output.time_ns, now_ns)]
    if isinstance(output, FundingPayment):
        return [
            FundingPaid(
                symbol=Symbol(output.symbol),
                payment_id=str(output.payment_id),
                amount=output.amount,
                asset=output.asset,
                event_ns=output.time_ns,
                received_ns=now_ns,
            )
        ]
    if not isinstance(output, OrderUpdate):
        return []
    events: list[AccountEvent] = []
    fill = output.fill
    if fill is not None:
        events.append(
            Filled(
                symbol=Symbol(fill.symbol),
                client_id=ClientOrderId(fill.client_id),
                venue_id=VenueOrderId(str(fill.order_id)),
                trade_id=fill.trade_id,
                side=fill.side,
                price_ticks=fill.price_ticks,
                lots=fill.lots,
                fee=fill.fee,
                fee_asset=fill.fee_asset,
                is_maker=fill.is_maker,
                event_ns=fill.time_ns,
                received_ns=now_ns,
            )
        )
    events.append(reported(output.order, now_ns))
    return events


def market_event(venue: VenueCore, output: Output, now_ns: int) -> Event | None:
    """Return a public output of the order-flow market as an event."""
    match output:
        case MarkPrice():
            tick_size = venue.markets[output.symbol].tick_size
            return FundingChanged(
                symbol=Symbol(output.symbol),
                mark_ticks=int((output.mark / tick_size).to_integral_value(ROUND_HALF_UP)),
                rate=output.rate,
                next_funding_ns=output.next_funding_ns,
                event_ns=output.time_ns,
                received_ns=now_ns,
            )
        case DepthDelta():
            return DepthChanged(
                symbol=Symbol(output.symbol),
                first_id=output.first_id,
                last_id=output.last_id,
                bids=output.bids,
                asks=output.asks,
                event_ns=output.time_ns,
                received_ns=now_ns,
                previous_id=output.first_id - 1,
            )
        case Top():
            return TopChanged(
                symbol=Symbol(output.symbol),
                update_id=output.update_id,
                bid_ticks=output.bid_ticks,
                bid_lots=output.bid_lots,
                ask_ticks=output.ask_ticks,
                ask_lots=output.ask_lots,
                received_ns=now_ns,
            )
        case PublicTrade():
            return Traded(
                symbol=Symbol(output.symbol),
                trade_id=output.trade_id,
                price_ticks=output.price_ticks,
                lots=output.lots,
                aggressor=output.aggressor,
                event_ns=output.time_ns,
                received_ns=now_ns,
            )
        case _:
            return None


def snapshot(
    venue: VenueCore, symbol: Symbol, now_ns: int, levels: int = 1_000
) -> DepthSnapshotted:
    """Return the exchange's book as a client would fetch it."""
    last_id, bids, asks = venue.depth(symbol, levels)
    return DepthSnapshotted(
        symbol=symbol,
        last_id=last_id,
        bids=bids,
        asks=asks,
        event_ns=now_ns,
        received_ns=now_ns,
    )
