"""Markets that come over several sockets, and books that come by the stream."""

from __future__ import annotations

import msgspec

from obiterm.core.effects import Effect, Resync
from obiterm.core.events import DepthChanged, FeedChanged
from obiterm.core.values import NS_PER_MS, MarketKind, Symbol
from obiterm.trading.kernel import Kernel
from obiterm.trading.setup import AccountSetup
from tests.trading_support.stage import ASK, BID, BTC, BTCUSDT, GENEROUS, Stage

ETH = Symbol("ETHUSDT")
BYBIT = msgspec.structs.replace(BTCUSDT, venue="bybit")


def asked(effects: list[Effect]) -> list[str]:
    return [effect.symbol for effect in effects if isinstance(effect, Resync)]


def two_markets() -> Stage:
    stage = Stage()
    setup = stage.kernel.setup
    both = {BTC: BTCUSDT, ETH: msgspec.structs.replace(BTCUSDT, symbol=ETH)}
    stage.kernel = Kernel(AccountSetup(setup.account, setup.environment, setup.run, both, GENEROUS))
    return stage


def market(stage: Stage, up: bool, *symbols: Symbol) -> list[Effect]:
    return stage.step(FeedChanged("market", up, "test", stage.now_ns, list(symbols)))


def test_a_socket_that_names_its_markets_resets_no_other() -> None:
    stage = two_markets()
    assert asked(market(stage, True)) == [BTC, ETH]
    stage.snapshot()
    assert stage.kernel.markets[BTC].book.synced
    assert asked(market(stage, False, ETH)) == []
    assert stage.kernel.markets[BTC].book.synced
    assert stage.kernel.feeds == {"market": False}
    assert asked(market(stage, True, ETH)) == [ETH]
    assert stage.kernel.markets[BTC].book.synced
    assert stage.kernel.feeds == {"market": True}
    assert asked(market(stage, True, BTC, Symbol("ELSEUSDT"))) == [BTC]
    assert not stage.kernel.markets[BTC].book.synced


def test_a_book_that_does_not_come_is_asked_for_again_in_a_quiet_market() -> None:
    stage = two_markets()
    market(stage, True, BTC)
    effects = stage.ticks(5.0, with_book=False)
    assert asked(effects) == [BTC, BTC]  # every 2 s, and the other market's socket is down
    market(stage, False, BTC)
    assert asked(stage.ticks(5.0, with_book=False)) == []


def test_a_book_of_the_stream_is_not_asked_for_when_it_comes() -> None:
    stage = Stage(instrument=BYBIT)
    assert asked(market(stage, True)) == []
    stage.later(300)
    assert asked(stage.snapshot(BID, ASK)) == []
    assert asked(stage.ticks(3.0)) == []
    assert stage.kernel.markets[BTC].book.synced


def test_a_newcomer_to_a_stream_asks_once_for_its_book() -> None:
    """Its socket was up before: changes come, and no snapshot unless somebody asks."""
    stage = Stage(instrument=BYBIT)
    market(stage, True)
    effects: list[Effect] = []
    for _ in range(290):
        stage.now_ns += 10 * NS_PER_MS
        effects += stage.book()
    assert asked(effects) == [BTC]
    stage.snapshot()
    assert stage.kernel.markets[BTC].book.synced


def test_a_gap_in_a_stream_with_snapshots_does_not_storm() -> None:
    stage = Stage(instrument=BYBIT)
    market(stage, True)
    stage.snapshot()
    effects = stage.book(skip=3)
    for _ in range(150):
        stage.now_ns += 10 * NS_PER_MS
        effects += stage.book()
    assert asked(effects) == [BTC]


def test_a_futures_stream_is_judged_by_the_id_before() -> None:
    """Numbers between messages belong to other markets: no gap while ``pu`` fits."""
    perp = msgspec.structs.replace(BTCUSDT, venue="binance-futures", kind=MarketKind.PERP)
    stage = Stage(instrument=perp)
    market(stage, True)
    stage.snapshot()
    book = stage.kernel.markets[BTC].book
    first = book.last_id
    for number, (previous, last) in enumerate([(first - 2, first + 4), (first + 4, first + 90)]):
        assert asked(stage.step(_changed(stage, previous, last))) == []
        assert book.diffs_applied == number + 1
    assert asked(stage.step(_changed(stage, first + 91, first + 95))) == [BTC]


def _changed(stage: Stage, previous: int, last: int) -> DepthChanged:
    return DepthChanged(BTC, last - 1, last, [], [], stage.now_ns, stage.now_ns, previous)
