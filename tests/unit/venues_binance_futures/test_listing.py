"""exchangeInfo, leverage, funding terms and account settings as our values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.errors import AccountStopped, DataError
from obiterm.core.events import (
    AccountReconciled,
    BalanceChanged,
    FundingChanged,
    PositionReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.binance.futures import (
    Ask,
    Asked,
    ConditionalOrders,
    RestCodec,
    account_config,
    commission,
    completed,
    exchange_info,
    funding_rates,
    funding_terms,
    is_hedged,
    leverage_brackets,
    listen_key,
    require_tradable,
    server_time,
    symbol_configs,
)
from tests.unit.venues_binance_futures.perp import (
    AT,
    BNB,
    BTC,
    MINE,
    PERP,
    algo_reply,
    body,
    order_reply,
)

CODEC = RestCodec({BTC: PERP, BNB.symbol: BNB}, ConditionalOrders())


def market(**changes: Any) -> dict[str, Any]:
    """The documentation's market (binance.md §9.1) with changes."""
    told = {
        "symbol": "BLZUSDT", "pair": "BLZUSDT", "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000, "onboardDate": 1598252400000, "status": "TRADING",
        "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000", "baseAsset": "BLZ",
        "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 5, "quantityPrecision": 0,
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN",
        "underlyingSubType": ["STORAGE"], "settlePlan": 0, "triggerProtect": "0.15",
        "filters": [
            {"filterType": "PRICE_FILTER", "maxPrice": "300", "minPrice": "0.0001",
             "tickSize": "0.0001"},
            {"filterType": "LOT_SIZE", "maxQty": "10000000", "minQty": "1", "stepSize": "1"},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": "590119", "minQty": "1", "stepSize": "1"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5.0"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.1500", "multiplierDown": "0.8500",
             "multiplierDecimal": "4"},
            {"filterType": "ADDED_IN_2027", "limit": 7},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
                       "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"], "liquidationFee": "0.010000",
        "marketTakeBound": "0.30",
    }  # fmt: skip
    return {**told, **changes}


LIMITS = [
    {"interval": "MINUTE", "intervalNum": 1, "limit": 2400, "rateLimitType": "REQUEST_WEIGHT"},
]


def listing(*markets: dict[str, Any]) -> bytes:
    return body({"timezone": "UTC", "serverTime": 1, "rateLimits": LIMITS, "symbols": markets})


def test_a_perpetual_becomes_an_instrument() -> None:
    told = exchange_info(listing(market()))
    [(symbol, blz)] = told.markets.items()
    assert symbol == "BLZUSDT-PERP"
    assert blz.instrument == Instrument(
        venue="binance-futures",
        symbol=Symbol("BLZUSDT-PERP"),
        kind=MarketKind.PERP,
        base="BLZ",
        quote="USDT",
        tick_size=Decimal("0.0001"),
        lot_size=Decimal(1),
        min_lots=1,
        max_lots=10_000_000,
        market_max_lots=590_119,
        min_price_ticks=1,
        max_price_ticks=3_000_000,
        min_notional=Decimal(5),
        max_open_orders=200,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        settle="USDT",
        funding_interval_s=8 * 3600,
    )
    assert blz.is_trading
    assert (blz.trigger_protect, blz.liquidation_fee) == (Decimal("0.15"), Decimal("0.01"))
    assert "GTX" in blz.time_in_force
    assert told.instruments == {symbol: blz.instrument}
    assert told.rate_limits[0].limit == 2400


def test_the_price_band_is_about_the_mark() -> None:
    blz = exchange_info(listing(market())).markets[Symbol("BLZUSDT-PERP")]
    assert blz.price_band(1001) == (851, 1151)
    assert blz.price_band(3_000_000) == (2_550_000, 3_000_000)
    unbounded = market(filters=market()["filters"][:3])
    free = exchange_info(listing(unbounded)).markets[Symbol("BLZUSDT-PERP")]
    assert free.price_band(1000) == (1, 3_000_000)
    assert free.instrument.max_open_orders == 200


def test_what_is_no_perpetual_of_ours_is_left_out_and_named() -> None:
    others = [
        market(symbol="BTCUSDT_260327", contractType="CURRENT_QUARTER"),
        market(symbol="TSLAUSDT", contractType="TRADIFI_PERPETUAL"),
        market(symbol="NEWUSDT", contractType="ADDED_IN_2027"),
        market(symbol="OLDUSDT", contractType="", status="PENDING_TRADING"),
    ]
    told = exchange_info(listing(market(), *others))
    assert list(told.markets) == ["BLZUSDT-PERP"]
    assert told.skipped == {
        "BTCUSDT_260327": "CURRENT_QUARTER",
        "TSLAUSDT": "TRADIFI_PERPETUAL",
        "NEWUSDT": "ADDED_IN_2027",
        "OLDUSDT": "",
    }
    asked_for = exchange_info(listing(*others), with_tradifi=True)
    assert list(asked_for.markets) == ["TSLAUSDT-PERP"]


@pytest.mark.parametrize("status", ["SETTLING", "CLOSE", "PRE_SETTLE", "ADDED_IN_2027"])
def test_only_a_trading_market_takes_orders(status: str) -> None:
    told = exchange_info(listing(market(status=status)))
    assert not told.markets[Symbol("BLZUSDT-PERP")].is_trading


def test_a_market_without_a_grid_is_refused() -> None:
    with pytest.raises(DataError, match="BLZUSDT has no tickSize"):
        exchange_info(listing(market(filters=[])))
    damaged = [{"filterType": "PRICE_FILTER", "tickSize": "x"}]
    with pytest.raises(DataError, match="BLZUSDT tickSize"):
        exchange_info(listing(market(filters=damaged)))
    with pytest.raises(DataError, match="exchangeInfo"):
        exchange_info(b"{}")


def test_a_market_that_cannot_be_read_closes_no_other() -> None:
    """A filter that is named otherwise one day must not take the venue away."""
    unheard = [{**each, "filterType": "PRICE_FILTER_2027"} for each in market()["filters"][:1]]
    told = exchange_info(listing(market(symbol="NEWUSDT", filters=unheard), market()))
    assert list(told.markets) == ["BLZUSDT-PERP"]
    assert told.damaged == {"NEWUSDT": "NEWUSDT has no tickSize or no stepSize"}


def test_leverage_funding_and_fees_complete_it() -> None:
    row = {
        "symbol": "BTCUSDT", "notionalCoef": 1.50,
        "brackets": [
            {"bracket": 2, "initialLeverage": 50, "notionalCap": 50000, "notionalFloor": 10000,
             "maintMarginRatio": 0.01, "cum": 35},
            {"bracket": 1, "initialLeverage": 75, "notionalCap": 10000, "notionalFloor": 0,
             "maintMarginRatio": 0.0065, "cum": 0},
        ],
    }  # fmt: skip
    expected = {BTC: (Decimal(75), Decimal("0.0065"))}
    assert leverage_brackets(body([row])) == leverage_brackets(body(row)) == expected
    with pytest.raises(DataError, match="no bracket"):
        leverage_brackets(body([{**row, "brackets": []}]))
    terms = funding_terms(
        b'[{"symbol":"BTCUSDT","adjustedFundingRateCap":"0.02500000",'
        b'"adjustedFundingRateFloor":"-0.02500000","fundingIntervalHours":4,"disclaimer":false}]'
    )
    fees = commission(
        b'{"symbol":"BTCUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0004",'
        b'"rpiCommissionRate":"0.00005"}'
    )
    whole = completed(PERP, bracket=expected[BTC], terms=terms[BTC], fees=fees)
    assert (whole.max_leverage, whole.maintenance_margin) == expected[BTC]
    assert whole.funding_interval_s == 4 * 3600
    assert (whole.maker_fee, whole.taker_fee) == (Decimal("0.0002"), Decimal("0.0004"))
    assert (terms[BTC].cap, terms[BTC].floor) == (Decimal("0.025"), Decimal("-0.025"))
    assert completed(PERP) == PERP


CONFIG = {
    "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True,
    "dualSidePosition": False, "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1,
}  # fmt: skip


def test_t31_hedge_mode_is_refused_with_what_to_do() -> None:
    require_tradable(account_config(body(CONFIG)))
    with pytest.raises(AccountStopped, match="hedge mode") as hedged:
        require_tradable(account_config(body({**CONFIG, "dualSidePosition": True})))
    assert hedged.value.code == "dualSidePosition"
    assert "One-way" in hedged.value.hint
    with pytest.raises(AccountStopped, match="trade futures") as barred:
        require_tradable(account_config(body({**CONFIG, "canTrade": False})))
    assert "futures enabled" in barred.value.hint
    assert is_hedged(b'{"dualSidePosition":true}')


def test_small_replies() -> None:
    assert server_time(b'{"serverTime":1499827319559}') == 1499827319559
    assert listen_key(b'{"listenKey":"abc"}') == "abc"
    assert listen_key(b"{}") == ""
    configs = symbol_configs(
        b'[{"symbol":"BTCUSDT","marginType":"CROSSED","isAutoAddMargin":false,"leverage":21,'
        b'"maxNotionalValue":"1000000"}]'
    )
    assert (configs[BTC].leverage, configs[BTC].margin_type) == (21, "CROSSED")
    rates = funding_rates(
        b'[{"symbol":"BTCUSDT","fundingRate":"-0.00022270","fundingTime":1600128000000,"rateType":1}]'
    )
    assert rates == [(1600128000000_000_000, Decimal("-0.00022270"))]
    premium = CODEC.premium(
        b'{"symbol":"BTCUSDT","markPrice":"11793.65","indexPrice":"11781.8",'
        b'"estimatedSettlePrice":"11781.1","lastFundingRate":"0.00038246",'
        b'"interestRate":"0.0001","nextFundingTime":1597392000000,"time":1597370495002}',
        AT,
    )
    assert premium == FundingChanged(
        BTC, 117937, Decimal("0.00038246"), 1597392000000_000_000, 1597370495002_000_000, AT
    )
    with pytest.raises(DataError, match="not asked for"):
        CODEC.premium(b'{"symbol":"XRPUSDT","markPrice":"1","time":1}', AT)


BALANCE = {
    "accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903",
    "crossWalletBalance": "23.72469206", "crossUnPnl": "0.00000000",
    "availableBalance": "23.72469206", "maxWithdrawAmount": "23.72469206",
    "marginAvailable": True, "updateTime": 1617939110373,
}  # fmt: skip
POSITION = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.030", "entryPrice": "60000.5",
    "breakEvenPrice": "0.385077", "markPrice": "61000.41047590",
    "unRealizedProfit": "-29.99731428", "liquidationPrice": "90000", "isolatedMargin": "0",
    "notional": "12.31427700", "marginAsset": "USDT", "isolatedWallet": "0",
    "initialMargin": "0.61571385", "maintMargin": "0.08004280", "adl": 2, "bidNotional": "0",
    "askNotional": "0", "updateTime": 1720736417660,
}  # fmt: skip


def test_the_venues_whole_word_on_an_account() -> None:
    other = {**POSITION, "symbol": "XRPUSDT"}
    told = CODEC.reconciled(
        body([BALANCE]), body([POSITION, other]), body([order_reply()]), body([algo_reply()]), AT
    )
    assert isinstance(told, AccountReconciled)
    assert told.balances == [("USDT", Decimal("23.72469206"), Decimal("122583.62668697"))]
    assert told.positions == [
        PositionReported(
            symbol=BTC,
            lots=-30,
            entry_price=Decimal("60000.5"),
            mark_price=Decimal("61000.41047590"),
            liquidation_price=Decimal(90000),
            unrealised_quote=Decimal("-29.99731428"),
            event_ns=1720736417660_000_000,
            received_ns=AT,
        )
    ]
    assert len(told.open_orders) == 2


def test_balances_of_the_account_call() -> None:
    row = {"asset": "USDT", "walletBalance": "10", "availableBalance": "7", "updateTime": 0}
    told = CODEC.account(body({"totalWalletBalance": "10", "assets": [row], "positions": []}), AT)
    assert told == [BalanceChanged("USDT", Decimal(7), Decimal(3), AT, AT)]


def test_each_answer_of_a_batch_stands_for_itself() -> None:
    asked = [Asked(Ask.PLACE, BTC, MINE)] * 2
    answers = [order_reply(), {"code": -2019, "msg": "Margin is insufficient."}]
    placed, refused = CODEC.batch(asked, body(answers), AT)
    assert [type(event).__name__ for event in placed.events] == ["OrderReported"]
    assert [type(event).__name__ for event in refused.events] == ["OrderRefused"]
    with pytest.raises(DataError, match="1 answers to 2 orders"):
        CODEC.batch(asked, body([order_reply()]), AT)


def test_a_cancel_reply_and_a_bare_acknowledgement() -> None:
    cancel = Asked(Ask.CANCEL, BTC, MINE)
    [event] = CODEC.outcome(cancel, 200, body(order_reply(status="CANCELED")), AT).events
    assert type(event).__name__ == "OrderReported"
    assert CODEC.outcome(cancel, 200, body(order_reply(status="")), AT).events == []
    assert CODEC.outcome(cancel, 200, body(order_reply(symbol="XRPUSDT")), AT).events == []
    assert CODEC.outcome(Asked(Ask.BALANCE), 200, b"[]", AT).events == []
    assert CODEC.outcome(Asked(Ask.BALANCE), 400, b"{}", AT).events == []
