"""Blind times: streams that are down, books that are silent, old or crossed (T9 T32 T38 T48)."""

from __future__ import annotations

import msgspec

from obiterm.core.effects import Verb
from obiterm.core.events import DepthSnapshotted, TopChanged
from obiterm.core.values import (
    OrderState,
)
from tests.trading_support.stage import (
    ASK,
    BID,
    BTC,
    Puppet,
    Stage,
    cancels,
    entry,
    leave,
    listed,
    notes,
    reconciles,
    stop,
)


def holding(lots: int = 1_000) -> Stage:
    """A kernel that holds a position with its stop at the venue."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(lots),)
    stage.fill("entry", lots)
    stage.ack("stop")
    assert stage.live() == [("stop", OrderState.OPEN)]
    return stage


def test_entries_go_when_the_account_stream_is_lost_and_stops_stay() -> None:
    """A fill that nobody tells of would have no stop."""
    stage = Stage({"one": Puppet(), "two": Puppet()})
    one, two = (runner.setup.strategy for runner in stage.kernel.runners)
    assert isinstance(one, Puppet)
    assert isinstance(two, Puppet)
    stage.ready()
    one.wishes, two.wishes = (entry(1_000),), (entry(500, BID - 10, tag="wait"),)
    stage.book()
    stage.ack("entry")
    stage.ack("wait")
    one.wishes = (stop(1_000),)
    stage.fill("entry", 1_000)
    stage.ack("stop")
    waiting = stage.order("wait").intent.client_id
    assert cancels(stage.feed("account", up=False)) == [waiting]
    stage.cancelled("wait")
    count = len(stage.sent)
    one.wishes = (leave(1_000),)
    stage.ticks(5)
    assert len(stage.sent) == count  # not even an exit: the position may be another by now
    assert reconciles(stage.feed("account", up=True)) == ["account stream connected"]
    stage.ticks(1)
    assert len(stage.sent) == count
    assert len(cancels(stage.reconcile([listed(stage.order("stop"))]))) == 1


def test_a_silent_book_withdraws_entries_within_two_seconds() -> None:
    """T9 T38: trades and tickers that still flow are no book."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    silent_ns = stage.now_ns
    original = stage.puppet.decide

    def careful(view: object) -> object:
        decision = original(view)  # type: ignore[arg-type]
        tradable = view.market.tradable  # type: ignore[attr-defined]
        return decision if tradable else msgspec.structs.replace(decision, wishes=())

    stage.puppet.decide = careful  # type: ignore[assignment,method-assign]
    while not cancels(effects := stage.tick()):
        assert stage.now_ns - silent_ns < 2_000_000_000
    assert notes(effects, Verb.GAP) == [
        f"feed silent or book not in order for {BTC}: entries withdrawn"
    ]
    assert stage.now_ns - silent_ns < 2_000_000_000 - 50_000_000


def test_a_gap_asks_for_a_snapshot_and_a_stale_one_is_not_asked_for_in_a_storm() -> None:
    """T48: one question at a time, with time for the venue in between."""
    stage = Stage()
    stage.ready()
    effects = stage.book(skip=3)
    assert notes(effects, Verb.GAP) == ["book: gap in update ids"]
    old = DepthSnapshotted(
        symbol=BTC,
        last_id=1,
        bids=[(BID, 10)],
        asks=[(ASK, 10)],
        event_ns=stage.now_ns,
        received_ns=stage.now_ns,
    )
    stage.later(20)
    assert stage.step(old) == []
    asked = 0
    for _ in range(10):
        stage.later(50)
        effects = stage.book()
        asked += len(notes(effects, Verb.GAP))
    assert asked == 1
    stage.snapshot()
    assert stage.kernel.markets[BTC].book.synced


def test_a_ticker_that_crosses_sends_nothing() -> None:
    """The ticker may be newer than the book; its prices count, so its sanity counts too."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.step(TopChanged(BTC, 10_000, ASK + 10, 5, ASK, 5, stage.now_ns))
    assert stage.sent == []
    assert not stage.kernel.gate.tradable(BTC, stage.now_ns)


def test_prices_are_forgotten_with_the_feed() -> None:
    stage = Stage()
    stage.ready()
    stage.step(TopChanged(BTC, 10_000, BID, 5, ASK, 5, stage.now_ns))
    stage.feed("market", up=False)
    assert stage.kernel.markets[BTC].best() == (0, 0, 0, 0)
