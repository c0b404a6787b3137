"""Orders, executions, positions and wallets as the venue writes them (bybit.md §5.6, §6, §9)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import (
    Fill,
    FundingPayment,
    Order,
    Origin,
    Position,
    PositionSide,
    Status,
)
from obiterm.exchange.bybit import numbers
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.memo import IDX, NO_LINK, TRIGGER_WORDS, Memo, waits
from obiterm.exchange.bybit.numbers import Json, Scale, amount, ms_text
from obiterm.exchange.bybit.office import SIDE_WORDS, ZERO, BackOffice, is_open
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS

_CANCEL_TYPES = {
    "REDUCE_ONLY": "CancelByReduceOnly",
    "POSITION_CLOSED": "CancelByTpSlTsClear",
    "LIQUIDATION": "CancelAllBeforeLiq",
}


def link_of(order: Order) -> str:
    """Return the orderLinkId of an order: empty where its owner gave none."""
    own = order.origin is Origin.USER and not order.client_id.startswith(NO_LINK)
    return order.client_id if own else ""


def status_word(order: Order, memo: Memo) -> str:
    """Return ``orderStatus``."""
    if order.status is Status.NEW:
        return "Untriggered" if waits(order) else "New"
    if order.status is Status.PARTIALLY_FILLED:
        return "PartiallyFilled"
    if order.status is Status.REJECTED:
        return "Rejected"
    spot = memo.category is Category.SPOT
    if order.status is Status.FILLED:
        short = spot and memo.quote_text and order.filled_quote < order.quote_qty
        return "PartiallyFilledCanceled" if short else "Filled"
    if waits(order):
        return "Deactivated"
    return "PartiallyFilledCanceled" if spot and order.filled_lots else "Cancelled"


def cancel_type(order: Order) -> str:
    """Return ``cancelType``."""
    if order.status is Status.EXPIRED_IN_MATCH:
        return "CancelBySmp"
    by_reason = _CANCEL_TYPES.get(order.expiry_reason)
    if by_reason is not None:
        return by_reason
    return "CancelByUser" if order.status is Status.CANCELED else "UNKNOWN"


def reject_reason(order: Order, memo: Memo) -> str:
    """Return ``rejectReason``."""
    if memo.reject_reason:
        return memo.reject_reason
    if order.status is Status.CANCELED:
        return "EC_PerCancelRequest"
    if order.status is Status.EXPIRED_IN_MATCH:
        return "EC_BySelfMatch"
    if order.status is Status.REJECTED:
        return "EC_Others"
    if order.expiry_reason in ("UNFILLED_IOC_QUANTITY_EXPIRED", "INSUFFICIENT_LIQUIDITY"):
        return "EC_NoImmediateQtyToFill"
    if order.expiry_reason == "UNFILLED_FOK_ORDER_EXPIRED":
        return "EC_CancelForNoFullFill"
    return "EC_NoError"


def order_row(office: BackOffice, order: Order) -> Json:
    """Write an order, as queries and the order stream have it."""
    memo, scale = office.memo(order), office.scale(order.symbol)
    linear = memo.category is Category.LINEAR
    return (
        {
            "orderId": numbers.order_id(memo.category, order.order_id),
            "orderLinkId": link_of(order),
            "parentOrderLinkId": "",
            "blockTradeId": "",
            "symbol": scale.symbol,
            "side": SIDE_WORDS[order.side],
            "isLeverage": "" if linear else "0",
            "positionIdx": IDX[order.position_side],
            "orderStatus": status_word(order, memo),
            "createType": memo.create_type,
            "cancelType": cancel_type(order),
            "rejectReason": reject_reason(order, memo),
            "timeInForce": memo.tif,
            "orderType": memo.order_type,
            "stopOrderType": memo.stop_type,
            "orderIv": "",
            "marketUnit": memo.market_unit,
            "reduceOnly": memo.reduce_only,
            "closeOnTrigger": memo.close_on_trigger,
            "placeType": "",
            "smpType": memo.smp_type,
            "smpGroup": 0,
            "smpOrderId": "",
            "lastPriceOnCreated": memo.last_price,
            "createdTime": ms_text(order.created_ns),
            "updatedTime": ms_text(order.updated_ns),
        }
        | _sizes(order, memo, scale)
        | _triggers(order, memo, scale)
    )


def _sizes(order: Order, memo: Memo, scale: Scale) -> Json:
    by_value = bool(memo.quote_text)
    left = order.lots - order.filled_lots if is_open(order) and not by_value else 0
    filled = scale.spec.lot_size * order.filled_lots
    price = 0 if order.kind in MARKET_KINDS else order.price_ticks
    left_value = scale.spec.tick_size * scale.spec.lot_size * (price * left)
    if by_value:
        left_value = order.quote_qty - order.filled_quote
    coin = scale.spec.settle or scale.spec.quote
    fees = memo.fees or {coin: ZERO}
    return {
        "price": scale.price(price) if price else "0",
        "qty": memo.quote_text or scale.size(order.lots),
        "avgPrice": amount(order.filled_quote / filled) if filled else "0",
        "leavesQty": scale.size(left),
        "leavesValue": amount(left_value),
        "cumExecQty": scale.size(order.filled_lots),
        "cumExecValue": amount(order.filled_quote),
        "cumExecFee": amount(sum(memo.fees.values(), ZERO)),
        "cumFeeDetail": {asset: amount(fee) for asset, fee in fees.items()},
        "feeCurrency": next(iter(memo.fees), ""),
        "closedPnl": amount(memo.closed_pnl),
    }


def _triggers(order: Order, memo: Memo, scale: Scale) -> Json:
    conditional, exits = order.kind in ALGO_KINDS, memo.exits
    linear = memo.category is Category.LINEAR
    row: Json = {
        "triggerPrice": scale.price(order.trigger_ticks) if conditional else "",
        "triggerBy": TRIGGER_WORDS[order.trigger_by] if conditional and linear else "",
        "triggerDirection": memo.trigger_direction,
        "takeProfit": scale.mark(exits.take_profit) if exits.take_profit else "",
        "stopLoss": scale.mark(exits.stop_loss) if exits.stop_loss else "",
        "tpTriggerBy": TRIGGER_WORDS[exits.take_by] if exits.take_profit else "",
        "slTriggerBy": TRIGGER_WORDS[exits.stop_by] if exits.stop_loss else "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "ocoTriggerBy": "",
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
    }
    if linear:
        # Spot orders come without the field: clients tell the products by it.
        row["tpslMode"] = ("Partial" if exits.partial else "Full") if exits.wanted else ""
    return row


def fill_row(office: BackOffice, fill: Fill, order: Order, left_lots: int) -> Json:
    """Write an execution; ``left_lots`` is what the order still had to fill after it."""
    memo, scale = office.memo(order), office.scale(fill.symbol)
    spec, category = scale.spec, scale.category
    price = 0 if order.kind in MARKET_KINDS else order.price_ticks
    return {
        "category": category.value,
        "symbol": scale.symbol,
        "orderId": numbers.order_id(category, order.order_id),
        "orderLinkId": link_of(order),
        "side": SIDE_WORDS[fill.side],
        "orderType": memo.order_type,
        "stopOrderType": memo.stop_type or "UNKNOWN",
        "orderPrice": scale.price(price) if price else "0",
        "orderQty": memo.quote_text or scale.size(order.lots),
        "leavesQty": scale.size(max(0, left_lots)),
        "execId": numbers.fill_id(category, fill.trade_id, is_maker=fill.is_maker),
        "execType": "BustTrade" if order.origin is Origin.LIQUIDATION else "Trade",
        "execPrice": scale.price(fill.price_ticks),
        "execQty": scale.size(fill.lots),
        "execValue": amount(fill.quote),
        "execFee": amount(fill.fee),
        "execPnl": amount(fill.realised),
        "feeRate": amount(spec.maker_fee if fill.is_maker else spec.taker_fee),
        "feeCurrency": fill.fee_asset,
        "execTime": ms_text(fill.time_ns),
        "isMaker": fill.is_maker,
        "isLeverage": "0",
        "closedSize": scale.size(fill.closed_lots) if fill.closed_lots else "",
        "markPrice": office.fill_marks.get(fill.trade_id, ""),
        "indexPrice": "",
        "underlyingPrice": "",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "marketUnit": memo.market_unit,
        "createType": memo.create_type,
        "extraFees": "",
        "seq": fill.trade_id,
    }


def funding_row(office: BackOffice, paid: FundingPayment) -> Json:
    """Write a funding record: an execution whose fee is what was paid (bybit.md §6.1)."""
    scale = office.scale(paid.symbol)
    value = scale.spec.lot_size * abs(paid.lots) * paid.mark
    row: Json = dict.fromkeys(
        (
            "orderLinkId",
            "closedSize",
            "indexPrice",
            "underlyingPrice",
            "tradeIv",
            "markIv",
            "blockTradeId",
            "marketUnit",
            "createType",
            "extraFees",
        ),
        "",
    )
    return row | {
        "category": Category.LINEAR.value,
        "symbol": scale.symbol,
        "orderId": numbers.payment_id(paid.payment_id),
        # The venue names the side that the position has.
        "side": "Buy" if paid.lots > 0 else "Sell",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "execId": numbers.payment_id(paid.payment_id),
        "execType": "Funding",
        "execPrice": scale.mark(paid.mark),
        "execQty": scale.size(abs(paid.lots)),
        "execValue": amount(value),
        "execFee": amount(-paid.amount),
        "execPnl": "0",
        "feeRate": amount(paid.rate),
        "feeCurrency": paid.asset,
        "execTime": ms_text(paid.time_ns),
        "isMaker": False,
        "isLeverage": "0",
        "markPrice": scale.mark(paid.mark),
        "seq": paid.payment_id,
    }


def position_row(office: BackOffice, held: Position, *, entry_name: str) -> Json:
    """Write a position; queries say ``avgPrice``, the stream says ``entryPrice``."""
    scale = office.scale(held.symbol)
    leg = (held.account, held.symbol, held.side)
    flat, liquidation = held.lots == 0, held.liquidation_price
    return {
        "positionIdx": IDX[held.side],
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": scale.symbol,
        "side": "" if flat else "Buy" if held.lots > 0 else "Sell",
        "size": scale.size(abs(held.lots)),
        entry_name: amount(held.entry),
        "positionValue": amount(scale.spec.lot_size * abs(held.lots) * held.entry),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 0 if flat else 2,
        "leverage": amount(held.leverage),
        "breakEvenPrice": amount(held.entry),
        "positionBalance": amount(held.position_margin),
        "markPrice": scale.mark(held.mark),
        "liqPrice": scale.mark(liquidation) if liquidation else "",
        "bustPrice": "",
        "positionMM": amount(held.maintenance_margin),
        "positionMMByMp": amount(held.maintenance_margin),
        "positionIM": amount(held.position_margin),
        "positionIMByMp": amount(held.position_margin),
        "tpslMode": "Full",
        "takeProfit": _exit_price(office, held, "TakeProfit"),
        "stopLoss": _exit_price(office, held, "StopLoss"),
        "trailingStop": scale.price(office.trails.get(leg, 0)),
        "unrealisedPnl": amount(held.unrealised),
        "curRealisedPnl": amount(held.realised),
        "cumRealisedPnl": amount(office.realised.get(leg, ZERO)),
        "seq": held.updated_ns // 1000,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "sessionAvgPrice": "",
        "createdTime": ms_text(office.opened_ns),
        "updatedTime": ms_text(held.updated_ns or office.opened_ns),
        "openTime": 0 if flat else numbers.ms(held.opened_ns),
    }


def _exit_price(office: BackOffice, held: Position, stop_type: str) -> str:
    for order in office.venue.open_orders(held.account, held.symbol):
        if order.position_side is held.side and office.memo(order).stop_type == stop_type:
            return office.scale(held.symbol).price(order.trigger_ticks)
    return ""


def wallet_row(office: BackOffice, account: str, coins: list[str] | None = None) -> Json:
    """Write the unified account; ``coins`` limits the list (absent: what is not zero)."""
    rows: list[Json] = []
    wallet_usd = equity_usd = available = margin = maintenance = upl = ZERO
    for asset, (free, locked) in office.venue.balances(account).items():
        state, worth = office.venue.collateral(account, asset), office.worth(asset)
        wallet_usd += state.wallet * worth
        equity_usd += state.equity * worth
        upl += state.unrealised * worth
        margin += state.initial_margin * worth
        maintenance += state.maintenance_margin * worth
        settles = any(one.spec.settle == asset for one in office.scales.values())
        if settles:
            available += state.available * worth
        chosen = asset in coins if coins is not None else bool(free or locked or state.unrealised)
        if chosen:
            rows.append(
                {
                    "coin": asset,
                    "equity": amount(state.equity),
                    "usdValue": amount(state.equity * worth),
                    "walletBalance": amount(state.wallet),
                    "locked": amount(state.locked),
                    "availableToWithdraw": "",
                    "availableToBorrow": "",
                    "borrowAmount": "0",
                    "spotBorrow": "0",
                    "accruedInterest": "0",
                    "totalOrderIM": amount(state.order_margin),
                    "totalPositionIM": amount(state.position_margin),
                    "totalPositionMM": amount(state.maintenance_margin),
                    "unrealisedPnl": amount(state.unrealised),
                    "cumRealisedPnl": amount(_realised(office, account, asset)),
                    "bonus": "0",
                    "marginCollateral": True,
                    "collateralSwitch": settles,
                    "spotHedgingQty": "0",
                    "colRes": "0",
                }
            )
    rate, maintenance_rate = _share(margin, equity_usd), _share(maintenance, equity_usd)
    return {
        "accountType": "UNIFIED",
        "accountIMRate": rate,
        "accountIMRateByMp": rate,
        "accountMMRate": maintenance_rate,
        "accountMMRateByMp": maintenance_rate,
        "accountLTV": "0",
        "totalEquity": amount(equity_usd),
        "totalWalletBalance": amount(wallet_usd),
        "totalMarginBalance": amount(equity_usd),
        "totalAvailableBalance": amount(available),
        "totalPerpUPL": amount(upl),
        "totalInitialMargin": amount(margin),
        "totalInitialMarginByMp": amount(margin),
        "totalMaintenanceMargin": amount(maintenance),
        "totalMaintenanceMarginByMp": amount(maintenance),
        "coin": rows,
    }


def _share(part: Decimal, whole: Decimal) -> str:
    return amount(part / whole) if whole > 0 else "0"


def _realised(office: BackOffice, account: str, asset: str) -> Decimal:
    return sum(
        (
            value
            for (owner, symbol, _), value in office.realised.items()
            if owner == account and office.scale(symbol).spec.settle == asset
        ),
        ZERO,
    )


def flat_sides(office: BackOffice, account: str) -> tuple[PositionSide, ...]:
    """Return the legs that a market has under the account's position mode."""
    if office.venue.hedge_mode(account):
        return (PositionSide.LONG, PositionSide.SHORT)
    return (PositionSide.BOTH,)
