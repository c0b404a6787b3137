"""Wallets and margin of the futures account (binance.md §9.3)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Collateral
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.wire import amount, ms
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.positions import (
    NONE,
    NOTIONAL_CAP,
    break_even,
    entry,
    every,
    live,
    quantity,
)
from obiterm.exchange.binance_futures.settings import may_trade
from obiterm.exchange.wire.office import Json


def _assets(office: FuturesOffice, account: str) -> list[str]:
    settles = [spec.settle for spec in office.venue.markets.values()]
    return list(dict.fromkeys([*settles, *office.venue.balances(account)]))


def _updated(office: FuturesOffice, account: str) -> int:
    fills = office.venue.fills(account)
    return ms(fills[-1].time_ns) if fills else 0


def balances(office: FuturesOffice, call: Call) -> list[Json]:
    """Return wallets, asset by asset."""
    updated = _updated(office, call.account)
    return [
        {
            "accountAlias": f"sim{office.uids[call.account]}",
            "asset": asset,
            "balance": amount(state.wallet),
            "crossWalletBalance": amount(state.wallet),
            "crossUnPnl": amount(state.unrealised),
            "availableBalance": amount(state.available),
            "maxWithdrawAmount": amount(state.available),
            "marginAvailable": True,
            "updateTime": updated,
        }
        for asset in _assets(office, call.account)
        for state in [office.venue.collateral(call.account, asset)]
    ]


def _asset_row(state: Collateral, updated: int) -> Json:
    return {
        "asset": state.asset,
        "walletBalance": amount(state.wallet),
        "unrealizedProfit": amount(state.unrealised),
        "marginBalance": amount(state.equity),
        "maintMargin": amount(state.maintenance_margin),
        "initialMargin": amount(state.initial_margin),
        "positionInitialMargin": amount(state.position_margin),
        "openOrderInitialMargin": amount(state.order_margin),
        "crossWalletBalance": amount(state.wallet),
        "crossUnPnl": amount(state.unrealised),
        "availableBalance": amount(state.available),
        "maxWithdrawAmount": amount(state.available),
        "marginAvailable": True,
        "updateTime": updated,
    }


def _totals(states: list[Collateral]) -> Json:
    def total(values: list[Decimal]) -> str:
        return amount(sum(values, Decimal(0)))

    wallet = total([state.wallet for state in states])
    unrealised = total([state.unrealised for state in states])
    available = total([state.available for state in states])
    return {
        "totalInitialMargin": total([state.initial_margin for state in states]),
        "totalMaintMargin": total([state.maintenance_margin for state in states]),
        "totalWalletBalance": wallet,
        "totalUnrealizedProfit": unrealised,
        "totalMarginBalance": total([state.equity for state in states]),
        "totalPositionInitialMargin": total([state.position_margin for state in states]),
        "totalOpenOrderInitialMargin": total([state.order_margin for state in states]),
        "totalCrossWalletBalance": wallet,
        "totalCrossUnPnl": unrealised,
        "availableBalance": available,
        "maxWithdrawAmount": available,
    }


def _states(office: FuturesOffice, account: str) -> list[Collateral]:
    return [office.venue.collateral(account, asset) for asset in _assets(office, account)]


def account_v3(office: FuturesOffice, call: Call) -> Json:
    """Return totals, assets, and positions that are or may be open."""
    states = _states(office, call.account)
    updated = _updated(office, call.account)
    return _totals(states) | {
        "assets": [_asset_row(state, updated) for state in states],
        "positions": [
            {
                "symbol": one.symbol,
                "positionSide": one.side.value,
                "positionAmt": quantity(office, one),
                "unrealizedProfit": amount(one.unrealised),
                "isolatedMargin": NONE,
                "notional": amount(one.notional),
                "isolatedWallet": NONE,
                "initialMargin": amount(one.initial_margin),
                "maintMargin": amount(one.maintenance_margin),
                "updateTime": ms(one.updated_ns),
            }
            for one in live(office, call.account, None)
        ],
    }


def account_v2(office: FuturesOffice, call: Call) -> Json:
    """Return the older form: settings too, and a position row for every market."""
    states = _states(office, call.account)
    updated = _updated(office, call.account)
    head: Json = {
        "feeTier": 0,
        "canTrade": may_trade(call),
        "canDeposit": False,
        "canWithdraw": call.credential is not None and call.credential.may_withdraw,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }
    return (
        head
        | _totals(states)
        | {
            "assets": [_asset_row(state, updated) for state in states],
            "positions": [
                {
                    "symbol": one.symbol,
                    "initialMargin": amount(one.initial_margin),
                    "maintMargin": amount(one.maintenance_margin),
                    "unrealizedProfit": amount(one.unrealised),
                    "positionInitialMargin": amount(one.position_margin),
                    "openOrderInitialMargin": amount(one.initial_margin - one.position_margin),
                    "leverage": str(one.leverage),
                    "isolated": False,
                    "entryPrice": entry(one.entry),
                    "breakEvenPrice": entry(break_even(office, one)),
                    "maxNotional": str(NOTIONAL_CAP),
                    "bidNotional": amount(one.bid_notional),
                    "askNotional": amount(one.ask_notional),
                    "positionSide": one.side.value,
                    "positionAmt": quantity(office, one),
                    "notional": amount(one.notional),
                    "isolatedWallet": NONE,
                    "updateTime": ms(one.updated_ns),
                }
                for one in every(office, call.account, None)
            ],
        }
    )
