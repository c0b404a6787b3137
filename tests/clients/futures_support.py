"""A running Binance futures exchange and our own plain client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from tests.clients.support import Reply, Rest, account_with_both_keys, hmac_signer

VENUE = "binance-futures"
SYMBOL = "BTCUSDT"


def futures_options() -> ServeOptions:
    """Two markets, two accounts, and one in hedge mode."""
    return ServeOptions(
        venue=VENUE,
        symbol="BTCUSDT,ETHUSDT",
        accounts=[
            account_with_both_keys(),
            AccountOptions(name="other"),
            AccountOptions(name="hedger", hedge_mode=True),
        ],
    )


@asynccontextmanager
async def futures_server(options: ServeOptions | None = None) -> AsyncIterator[ExchangeServer]:
    """Run the exchange."""
    async with ExchangeServer(options or futures_options()) as running:
        yield running


class FuturesRest(Rest):
    """REST calls of the futures."""

    async def futures_order(self, side: str, kind: str, **params: object) -> Reply:
        """Place a normal order."""
        return await self.signed(
            "POST", "/fapi/v1/order", symbol=SYMBOL, side=side, type=kind, **params
        )

    async def algo(self, side: str, kind: str, **params: object) -> Reply:
        """Place a conditional order."""
        return await self.signed(
            "POST",
            "/fapi/v1/algoOrder",
            algoType="CONDITIONAL",
            symbol=SYMBOL,
            side=side,
            type=kind,
            **params,
        )

    async def touch(self) -> tuple[float, float]:
        """Return best bid and ask."""
        body = (await self.public("/fapi/v1/ticker/bookTicker", symbol=SYMBOL)).body
        return float(body["bidPrice"]), float(body["askPrice"])

    async def away(self, share: float) -> str:
        """Return a price that far (0.01 = 1 %) from the best bid, on the grid."""
        bid, _ = await self.touch()
        return f"{bid * (1 + share):.1f}"

    async def listen_key(self) -> str:
        """Return the account's listen key."""
        assert self.signer is not None
        reply = await self.raw("POST", "/fapi/v1/listenKey", key=self.signer.api_key)
        return str(reply.body["listenKey"])


def futures_rest(server: ExchangeServer, account: int = 0) -> FuturesRest:
    """Return a client of one account."""
    return FuturesRest(server.rest_url, hmac_signer(server, account))
