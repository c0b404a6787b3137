"""The account: wallet, settings, fees, key, money records (bybit.md §6.4 - §6.6)."""

from __future__ import annotations

from obiterm.exchange.bybit import errors, numbers
from obiterm.exchange.bybit.category import OTHER_CATEGORIES
from obiterm.exchange.bybit.numbers import Json, Scale, amount
from obiterm.exchange.bybit.office import BackOffice, Call
from obiterm.exchange.bybit.order_request import read_category
from obiterm.exchange.bybit.rows import wallet_row


def wallet_balance(office: BackOffice, call: Call) -> Json:
    """Tell what the unified account holds."""
    if call.params.need("accountType") != "UNIFIED":
        raise errors.bad("accountType only support UNIFIED.")
    coins = call.params.get("coin")
    return {"list": [wallet_row(office, call.account, coins.split(",") if coins else None)]}


def account_info(office: BackOffice, call: Call) -> Json:
    """Tell margin mode and kind of account."""
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": numbers.ms_text(office.opened_ns),
        "unifiedMarginStatus": 5,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def fee_rate(office: BackOffice, call: Call) -> Json:
    """Tell maker and taker fees."""
    name = call.params.get("symbol")
    if call.params.need("category") in OTHER_CATEGORIES:
        return {"list": []}
    category = read_category(call.params)
    chosen = office.markets(category) if name is None else [office.market(category, name)]
    return {"list": [_fees(scale) for scale in chosen]}


def _fees(scale: Scale) -> Json:
    return {
        "symbol": scale.symbol,
        "takerFeeRate": amount(scale.spec.taker_fee),
        "makerFeeRate": amount(scale.spec.maker_fee),
    }


def query_api(office: BackOffice, call: Call) -> Json:
    """Describe the key that signed."""
    key = call.key
    wallet = ["AccountTransfer"] + (["Withdraw"] if key.may_withdraw else [])
    return {
        "id": str(office.uids[key.account]),
        "note": key.account,
        "apiKey": key.api_key,
        "readOnly": 0 if key.may_trade else 1,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"],
            "Spot": ["SpotTrade"],
            "Wallet": wallet,
            "Options": [],
            "Derivatives": ["DerivativesTrade"],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": ["ExchangeHistory"],
            "NFT": [],
            "Affiliate": [],
            "Earn": [],
        },
        "ips": ["127.0.0.1"],
        "type": 1,
        "deadlineDay": -2,
        "expiredAt": "1970-01-01T00:00:00Z",
        "createdAt": "2025-10-13T03:20:45Z",
        "unified": 0,
        "uta": 1,
        "userID": office.uids[key.account],
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "",
    }


def coin_info(office: BackOffice, call: Call) -> Json:
    """List coins; nothing can be deposited or withdrawn here."""
    coins = {
        asset for scale in office.scales.values() for asset in (scale.spec.base, scale.spec.quote)
    }
    return {
        "rows": [
            {"name": coin, "coin": coin, "remainAmount": "0", "chains": []}
            for coin in sorted(coins)
        ]
    }


def user_settings(office: BackOffice, call: Call) -> Json:
    """Tell what orders beyond the price limit come to: spot rejects, linear re-prices (§11)."""
    return {"lpaSpot": False, "lpaPerp": False, "deltaEnable": False, "smsef": "0", "fmsef": "0"}
