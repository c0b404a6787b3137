"""Wishes beyond the venue's limits stay here; cancels go out all the same (R42 T44 Q24)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import msgspec
import pytest

from obiterm.core.commands import EmergencyExit, Kill
from obiterm.core.errors import RetryLater
from obiterm.core.events import CancelRefused, DepthSnapshotted, OrderOutcomeLost, OrderRefused
from obiterm.core.limits import RiskLimits
from obiterm.core.values import Side, Symbol
from obiterm.engine.reconciliation import asked_to_wait_s
from obiterm.exchange.backpack.errors import ApiError as BackpackError
from obiterm.exchange.binance.errors import ApiError as BinanceError
from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.bybit.errors import ApiError as BybitError
from obiterm.exchange.serve import ServeOptions
from tests.trading_support.crowd import BTC, ROOMY, Crowd, crowd

A, B = "main", "account-2"
TIGHT = LimitOptions(weight_per_minute=3_000, orders_per_10s=50)
FUTURES = LimitOptions(
    weight_per_minute=2_400, orders_per_10s=50, orders_per_minute=1_200, orders_per_day=0,
    fill_gives_back=False, raw_per_5min=0,
)  # fmt: skip
EAGER: RiskLimits = ROOMY.model_copy(update={"max_open_orders": 200})
_TOO_MANY = ("429", "418", "403", "10006", "-1003", "-1015", "TOO_MANY_REQUESTS")


class Answers:
    """Answers of the exchange that say: too much."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.too_many: list[str] = []
        for kind in (BackpackError, BinanceError, BybitError):
            self._watch(kind, monkeypatch)

    def _watch(self, kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
        make = kind.__init__

        def made(error: Exception, *args: object, **words: object) -> None:
            make(error, *args, **words)
            if any(str(arg) in _TOO_MANY for arg in (*args, *words.values())):
                self.too_many.append(f"{args} {words}")

        monkeypatch.setattr(kind, "__init__", made)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


def flood(one: Crowd, account: str, wishes: int) -> tuple[int, list[str]]:
    """Wish orders far from the market; return how many left and why the others did not."""
    engine = one.engines[account]
    [instrument] = engine.kernel.setup.instruments.values()
    sent = engine.orders_sent
    bid, _ = one.best(account)
    lots = max(instrument.min_lots * 5, int(30 / instrument.notional(bid, 1)))
    deep = bid * 2 // 100
    for number in range(wishes):
        one.place(account, Side.BUY, bid - deep - number, lots)
    kept_back = [
        event.text
        for name, event in one.heard
        if name == account and isinstance(event, OrderRefused) and not event.code
    ]
    return engine.orders_sent - sent - len(kept_back), kept_back


@pytest.mark.parametrize(
    ("venue", "symbol", "limits", "wishes"),
    [
        ("binance", "BTCUSDT", TIGHT, 100),
        ("binance-futures", "BTCUSDT-PERP", FUTURES, 100),
        ("bybit", "BTCUSDT", None, 60),
        ("bybit", "BTCUSDT.SPOT", None, 60),
        ("backpack", "SOL_USDC_PERP", None, 240),
    ],
)
async def test_a_flood_of_wishes_meets_no_refusal_of_the_venue_and_every_cancel_gets_through(
    tmp_path: Path, answers: Answers, venue: str, symbol: str, limits: LimitOptions, wishes: int
) -> None:
    market = {"BTCUSDT-PERP": "BTCUSDT", "BTCUSDT.SPOT": "BTCUSDT"}.get(symbol, symbol)
    options = ServeOptions(venue=venue, symbol=market, seed=5, limits=limits)
    async with crowd(
        tmp_path, [A, B], venue=venue, symbol=Symbol(symbol), limits=EAGER, options=options
    ) as one:
        kept_back: list[str] = []
        for account in (A, B):
            left, why = flood(one, account, wishes)
            assert left > 0
            kept_back += why
            assert all(text.startswith("rate limit of the venue: wait ") for text in why), why
        if venue != "backpack":  # whose limit is above what the risk gate lets out
            assert kept_back
        await one.settled()
        for account in (A, B):
            for order in list(one.engines[account].kernel.desk.live()):
                one.engines[account].cancel_order(order)
        await one.until(lambda: not one.live(A) and not one.live(B))
        assert answers.too_many == []
        lost = [e for _, e in one.heard if isinstance(e, OrderOutcomeLost | CancelRefused)]
        assert lost == [], msgspec.json.encode(lost[:3])
        refused = [e for _, e in one.heard if isinstance(e, OrderRefused) and e.code]
        assert refused == []


async def test_accounts_behind_one_address_share_its_weight_and_questions_wait_for_room(
    tmp_path: Path, answers: Answers
) -> None:
    """R42: what may wait is asked again when there is room; a cancel needs none of it."""
    options = ServeOptions(symbol="BTCUSDT", seed=5, limits=LimitOptions(weight_per_minute=600))
    async with crowd(tmp_path, [A, B], options=options) as one:
        bid, _ = one.best(A)
        one.place(A, Side.BUY, bid - bid // 100)
        await one.settled()
        waits: list[RetryLater] = []
        while len(waits) <= 20:  # more than a minute's weight, whenever the minute begins
            for account in (A, B):
                try:
                    await one.engines[account].gateway.open_orders()
                except RetryLater as error:
                    waits.append(error)
        assert all(0 < error.retry_after_ms <= 60_000 for error in waits)
        assert all(0 < asked_to_wait_s(error) <= 60 for error in waits)
        assert answers.too_many == []
        [order] = one.engines[A].kernel.desk.live()
        one.engines[A].cancel_order(order)
        await one.until(lambda: not one.live(A))
        assert answers.too_many == []


@pytest.mark.parametrize("how", [Kill, EmergencyExit])
async def test_t44_a_kill_and_an_exit_are_verified_from_the_reserve(
    tmp_path: Path, answers: Answers, how: type[Kill | EmergencyExit]
) -> None:
    async with crowd(tmp_path, [A]) as one:
        one.place(A, Side.BUY, 0, 200)
        bid, _ = one.best(A)
        one.place(A, Side.BUY, bid - bid // 100)
        await one.settled()
        engine = one.engines[A]
        with contextlib.suppress(RetryLater):
            while True:
                await engine.gateway.open_orders()
        engine.command(how(account=A), "test")
        progress = engine.panic.progress
        assert progress is not None
        await one.until(lambda: progress.done)
        assert (progress.left_orders, progress.elapsed_ms < 5_000) == (0, True)
        assert (engine.exposure_lots(BTC) == 0) == (how is EmergencyExit)
        assert answers.too_many == []


async def test_a_book_is_fetched_when_there_is_room_and_not_asked_for_in_between(
    tmp_path: Path,
) -> None:
    async with crowd(tmp_path, [A]) as one:
        feed = one.engines[A].feed
        fetch, asked = feed.source.resync, []

        async def busy(symbol: Symbol) -> DepthSnapshotted | None:
            asked.append(symbol)
            if len(asked) == 1:
                raise RetryLater("limit", "no more for 0.2 s", retry_after_ms=200)
            return await fetch(symbol)

        feed.source.resync = busy  # type: ignore[method-assign]
        began = time.monotonic()
        books = await asyncio.gather(*(feed.resync(BTC) for _ in range(5)))
        assert time.monotonic() - began >= 0.2
        assert asked == [BTC, BTC]
        assert all(book is not None and book.symbol == BTC for book in books)
