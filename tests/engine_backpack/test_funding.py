"""Funding is told as payments, once each, and never as fills (T35)."""

from __future__ import annotations

from decimal import Decimal

import aiohttp

from obiterm.core.events import Filled, FundingPaid
from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import backpack_options
from tests.engine_backpack.support import PERP, Exchange, line, until


async def test_payments_come_after_every_interval() -> None:
    options = backpack_options(seed=11, funding_interval_s=4)
    async with ExchangeServer(options) as server, aiohttp.ClientSession() as http:
        exchange = Exchange(server, http)
        async with line(exchange, [PERP]) as one:
            assert one.instrument.funding_interval_s == 4
            await one.buy(lots=1000)
            fills = len(one.told(Filled))
            await until(lambda: len(one.told(FundingPaid)) >= 2)
            told = one.told(FundingPaid)
            ledger = (await exchange.ledger())["funding"]
        assert len({payment.payment_id for payment in told}) == len(told)
        assert {payment.asset for payment in told} == {"USDC"}
        sums = [Decimal(row["amount"]) for row in ledger]
        for payment in told:
            assert any(abs(payment.amount - amount) < Decimal("0.000001") for amount in sums)
        assert len(one.told(Filled)) == fills
