"""Account, balances, collateral and positions (backpack.md §6)."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import Position, Refusal
from obiterm.exchange.backpack.errors import invalid, not_found
from obiterm.exchange.backpack.instruments import imf_function, mmf_function, weight
from obiterm.exchange.backpack.office import BackpackOffice, Call
from obiterm.exchange.backpack.order_request import to_ticks
from obiterm.exchange.backpack.order_rows import waits
from obiterm.exchange.backpack.wire import SIDES, Json, Scale, amount

SETTLE = "USDC"
_ZERO = Decimal(0)
_BPS = Decimal(10_000)


def account(office: BackpackOffice, call: Call) -> Json:
    """Return fees (basis points), limits and settings."""
    name = call.account
    settings = office.settings[name]
    orders = office.venue.open_orders(name)
    waiting = sum(1 for one in orders if waits(one))
    specs = [scale.spec for scale in office.scales.values()]
    spot = next((spec for spec in specs if not spec.is_perpetual), specs[0])
    perpetual = next((spec for spec in specs if spec.is_perpetual), specs[0])
    row: Json = {
        "leverageLimit": amount(settings.leverage),
        "borrowLimit": "0",
        "positionLimit": "100000000",
        "spotMakerFee": amount(spot.maker_fee * _BPS),
        "spotTakerFee": amount(spot.taker_fee * _BPS),
        "futuresMakerFee": amount(perpetual.maker_fee * _BPS),
        "futuresTakerFee": amount(perpetual.taker_fee * _BPS),
        "limitOrders": len(orders) - waiting,
        "triggerOrders": waiting,
        "liquidating": False,
    }
    return row | settings.flags


def update_account(office: BackpackOffice, call: Call) -> None:
    """Change settings; the answer has no body. Leverage holds for every perpetual at once."""
    settings = office.settings[call.account]
    leverage = call.params.get_decimal("leverageLimit")
    flags = {name: call.params.get_flag(name) for name in settings.flags}
    if leverage is not None:
        _set_leverage(office, call, leverage)
        settings.leverage = leverage
    settings.flags |= {name: flag for name, flag in flags.items() if flag is not None}


def _set_leverage(office: BackpackOffice, call: Call, leverage: Decimal) -> None:
    """Set all markets or none."""
    before = office.settings[call.account].leverage
    done: list[str] = []
    for symbol, scale in office.scales.items():
        if not scale.spec.is_perpetual:
            continue
        try:
            office.venue.set_leverage(call.account, symbol, leverage, call.now_ns)
        except Refusal as refusal:
            for other in done:
                office.venue.set_leverage(call.account, other, before, call.now_ns)
            raise office.refused(refusal, symbol) from refusal
        done.append(symbol)


def capital(office: BackpackOffice, call: Call) -> Json:
    """Return balances by asset."""
    return {
        asset: {"available": amount(free), "locked": amount(locked), "staked": "0"}
        for asset, (free, locked) in office.venue.balances(call.account).items()
    }


def collateral(office: BackpackOffice, call: Call) -> Json:
    """Return what may be used as margin: ``netEquityAvailable`` is the buying power."""
    venue, name = office.venue, call.account
    state = venue.collateral(name, SETTLE)
    held = [one for one in venue.positions(name) if one.lots]
    exposure = sum((abs(one.notional) for one in held), _ZERO)
    fraction = amount(state.equity / exposure) if exposure else None
    return {
        "assetsValue": amount(state.wallet),
        "borrowLiability": "0",
        "imf": amount(state.initial_margin / exposure if exposure else _ZERO),
        "mmf": amount(state.maintenance_margin / exposure if exposure else _ZERO),
        "marginFraction": fraction,
        "liabilitiesValue": "0",
        "netEquity": amount(state.equity),
        "netEquityAvailable": amount(state.available),
        "netEquityLocked": amount(state.initial_margin + state.locked),
        "netExposureFutures": amount(exposure),
        "pnlUnrealized": amount(state.unrealised),
        "unsettledEquity": "0",
        "collateral": [
            _collateral_row(office, asset, free, locked)
            for asset, (free, locked) in venue.balances(name).items()
        ],
    }


def _collateral_row(office: BackpackOffice, asset: str, free: Decimal, locked: Decimal) -> Json:
    price = _value_of(office, asset)
    total = free + locked
    counted = weight(asset)
    return {
        "symbol": asset,
        "assetMarkPrice": amount(price),
        "totalQuantity": amount(total),
        "availableQuantity": amount(free),
        "lendQuantity": "0",
        "openOrderQuantity": amount(locked),
        "balanceNotional": amount(total * price),
        "collateralWeight": counted,
        "collateralValue": amount(total * price * Decimal(counted)),
    }


def _value_of(office: BackpackOffice, asset: str) -> Decimal:
    """Return what an asset is worth in USDC; 0 when no market tells."""
    if asset == SETTLE:
        return Decimal(1)
    for scale in office.scales.values():
        if scale.spec.base == asset:
            return office.venue.index(scale.spec.symbol)
    return _ZERO


def no_lending(office: BackpackOffice, call: Call) -> list[Json]:
    """Return no loans: nothing is lent or borrowed here."""
    return []


def positions(office: BackpackOffice, call: Call) -> list[Json]:
    """Return open positions; 404 for a market without one."""
    symbol = call.params.get("symbol")
    wanted = call.params.get_choice("marketType", {"SPOT": False, "PERP": True}, "MarketType")
    if symbol is not None:
        office.scale(symbol)
    rows = [
        position_row(office, one)
        for one in office.venue.positions(call.account, symbol)
        if one.lots and wanted is not False
    ]
    if symbol is not None and not rows:
        raise not_found()
    return rows


class Standing(msgspec.Struct, frozen=True):
    """What a position cost beside its price, and what open orders add to it."""

    break_even: Decimal
    fees: Decimal
    funding: Decimal
    exposure_lots: int
    exposure_notional: Decimal
    initial_fraction: Decimal


def position_id(position: Position) -> int:
    """Number a position by when it was opened."""
    return position.opened_ns // 1_000_000


def standing(office: BackpackOffice, one: Position) -> Standing:
    """Sum up a position's fees and funding since it was opened, and its open orders."""
    venue, spec = office.venue, office.scale(one.symbol).spec
    cost = office.costs.of(one.account, one.symbol)
    quantity = spec.lot_size * one.lots
    break_even = one.entry + (cost.fees - cost.funding) / quantity if quantity else _ZERO
    bids = asks = 0
    for order in venue.open_orders(one.account, one.symbol):
        if not order.reduces and not waits(order):
            left = order.lots - order.filled_lots
            bids, asks = (bids + left, asks) if order.side is Side.BUY else (bids, asks + left)
    exposure = max(one.lots + bids, one.lots - asks, key=abs)
    notional = max(one.notional + one.bid_notional, one.notional - one.ask_notional, key=abs)
    return Standing(break_even, cost.fees, cost.funding, exposure, notional, 1 / one.leverage)


def position_row(office: BackpackOffice, one: Position) -> Json:
    """Write a position; ``netExposure*`` include open orders, ``netQuantity`` does not."""
    scale, more = office.scale(one.symbol), standing(office, one)
    spec = scale.spec
    return {
        "symbol": one.symbol,
        "netQuantity": scale.size(one.lots),
        "netExposureQuantity": scale.size(more.exposure_lots),
        "netExposureNotional": amount(abs(more.exposure_notional)),
        "entryPrice": amount(one.entry),
        "breakEvenPrice": amount(more.break_even),
        "markPrice": amount(one.mark),
        "netCost": amount(one.entry * spec.lot_size * one.lots),
        "pnlUnrealized": amount(one.unrealised),
        "pnlRealized": amount(one.realised),
        "cumulativeFundingPayment": amount(more.funding),
        "cumulativeInterest": "0",
        "estLiquidationPrice": amount(one.liquidation_price),
        "imf": amount(more.initial_fraction),
        "mmf": amount(spec.maintenance_margin),
        "imfFunction": imf_function(spec),
        "mmfFunction": mmf_function(spec),
        "positionId": str(position_id(one)),
        "subaccountId": None,
        "userId": office.uids[one.account],
    }


def order_limit(office: BackpackOffice, call: Call) -> Json:
    """Answer how much may be sent: what funds or margin cover, or what there is to reduce."""
    params, name = call.params, call.account
    scale = office.scale(params.need("symbol"))
    side = params.need_choice("side", SIDES, "Side")
    price = params.get_decimal("price")
    reduce_only = params.get_flag("reduceOnly") or False
    lots = _most_lots(office, name, scale, side, price, reduce_only=reduce_only)
    row: Json = {
        "symbol": scale.spec.symbol,
        "side": params.need("side"),
        "maxOrderQuantity": scale.size(max(0, lots)),
    }
    if price is not None:
        row["price"] = amount(price)
    for flag in ("reduceOnly", "autoBorrow", "autoBorrowRepay", "autoLendRedeem"):
        value = params.get_flag(flag)
        if value is not None:
            row[flag] = value
    return row


def _most_lots(
    office: BackpackOffice,
    name: str,
    scale: Scale,
    side: Side,
    price: Decimal | None,
    *,
    reduce_only: bool,
) -> int:
    spec, venue = scale.spec, office.venue
    if price is not None:
        to_ticks(price, spec)
    top = venue.top(spec.symbol)
    best = top.ask_ticks if side is Side.BUY else top.bid_ticks
    price = price or spec.tick_size * best
    if not price:
        raise invalid("Price is required")
    if spec.is_perpetual:
        held = venue.position(name, spec.symbol)
        closable = abs(held.lots) if held.lots * side.sign < 0 else 0
        if reduce_only:
            return closable
        each = price * (1 / held.leverage + spec.taker_fee)
        funds = venue.collateral(name, spec.settle).available / each
        return 2 * closable + _floor(funds, spec.lot_size)
    free = venue.balances(name)
    if side is Side.SELL:
        return _floor(free.get(spec.base, (_ZERO, _ZERO))[0], spec.lot_size)
    spendable = free.get(spec.quote, (_ZERO, _ZERO))[0]
    if spec.quote == SETTLE:
        spendable = min(spendable, venue.collateral(name, SETTLE).available)
    return _floor(spendable / price, spec.lot_size)


def _floor(quantity: Decimal, step: Decimal) -> int:
    return int((quantity / step).to_integral_value(ROUND_DOWN))


def withdrawal_limit(office: BackpackOffice, call: Call) -> Json:
    """Answer that nothing can be withdrawn."""
    return {"symbol": call.params.need("symbol"), "maxWithdrawalQuantity": "0"}


def borrow_limit(office: BackpackOffice, call: Call) -> Json:
    """Answer that nothing can be borrowed."""
    return {"symbol": call.params.need("symbol"), "maxBorrowQuantity": "0"}
