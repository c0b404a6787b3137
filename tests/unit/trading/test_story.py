"""Life of one trade through the whole kernel with the real strategy, event by event.

Read from top to bottom: each step says what happened, then what the kernel decided.
"""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.effects import Verb
from obiterm.core.values import OrderKind, OrderRole, OrderState, Side
from obiterm.strategies.registry import build_strategy
from tests.trading_support.stage import (
    ASK,
    BID,
    BTCUSDT,
    Stage,
    cancels,
    notes,
    reconciles,
    sends,
)

LOTS = 1_000
"""0.01 BTC, about 1,000 USDT."""
FEE = Decimal("0.00001")
"""A tenth of a percent of the bought coins."""


def surf_stage() -> Stage:
    surf = build_strategy(
        "surf",
        {
            "quantity": "0.01",
            "enter_obi": 0.4,
            "hold_obi": 0.25,
            "exit_obi": 0.5,
            "confirm_updates": 3,
            "confirm_ms": 0,
            "stop_bps": 50,
            "take_profit_bps": 0,
            "trail_bps": 0,
            "cooldown_ms": 1_000,
        },
        BTCUSDT,
    )
    return Stage({"surf": surf})


def test_from_signal_to_flat() -> None:
    stage = surf_stage()

    # Nothing is decided before the account is in sight: books alone are not enough.
    stage.feed("market", up=True)
    stage.snapshot()
    assert stage.lean(701, 299) == []
    assert reconciles(stage.feed("account", up=True)) == ["account stream connected"]
    assert stage.sent == []

    # An imbalance of 0.400 is not above 0.4 (SPEC §11): no order.
    stage.lean(700, 300)
    stage.reconcile()
    assert stage.sent == []

    # 0.402 is: one post-only buy at the best bid, written down as a signal and a send.
    stage.later(100)
    effects = stage.lean(701, 299)
    (buy,) = sends(effects)
    assert (buy.side, buy.kind, buy.price_ticks, buy.lots) == (Side.BUY, OrderKind.LIMIT, BID, LOTS)
    assert buy.post_only
    assert buy.role is OrderRole.ENTRY
    assert (buy.owner, buy.tag) == ("surf", "entry")
    assert notes(effects, Verb.SIGNAL) == ["OBI +0.402 beyond 0.4: buy"]
    assert notes(effects, Verb.SEND) == ["0.01 @ 99999.50"]

    # While its answer is out, nothing more is sent under its tag (T7).
    assert sends(stage.lean(750, 250)) == []

    # Accepted: one line; the strategy keeps it where it is.
    stage.later(3)
    effects = stage.ack("entry")
    assert notes(effects, Verb.ACK) == ["0.01 @ 99999.50  3ms"]
    assert [sends(effects), cancels(effects)] == [[], []]

    # A part fills: a stop for what is held net of the fee leaves in the same step.
    effects = stage.step(stage.fill_event(buy, 400, fee=FEE * 4 / 10, fee_asset="BTC"))
    (stop,) = sends(effects)
    assert (stop.side, stop.kind, stop.role) == (Side.SELL, OrderKind.STOP_MARKET, OrderRole.STOP)
    assert stop.lots == 399
    assert stop.trigger_ticks == int(BID * 0.995)
    assert notes(effects, Verb.FILL) == ["0.004 @ 99999.50"]
    assert stage.report(buy, OrderState.PARTIAL, 400) == []
    runner = stage.kernel.runners[0]
    assert runner.unprotected_since_ns == stage.now_ns

    # The stop rests: the time without protection was the way there and back (R98).
    stage.later(2)
    assert notes(stage.ack("stop"), Verb.ACK) == ["0.00399 stop 99499.50  2ms"]
    assert runner.unprotected_since_ns == 0
    assert runner.unprotected_longest_ns == 2_000_000

    # The rest fills: the stop of the wrong size goes, one of the right size comes.
    effects = stage.step(stage.fill_event(buy, 600, fee=FEE * 6 / 10, fee_asset="BTC"))
    assert cancels(effects) == [stop.client_id]
    assert sends(effects) == []
    stage.report(buy, OrderState.FILLED, LOTS)
    (second_stop,) = sends(stage.cancelled("stop"))
    assert second_stop.lots == LOTS - 1
    stage.ack("stop")
    assert stage.live() == [("stop", OrderState.OPEN)]
    assert stage.position == LOTS

    # The book turns against us; the guard wants three updates in a row (Q16).
    for _ in range(2):
        stage.later(100)
        assert stage.lean(200, 800) == []
    stage.later(100)
    effects = stage.lean(200, 800)
    assert notes(effects, Verb.SIGNAL) == ["guard: OBI -0.600 against us, 3 updates"]

    # The coins are bound by the stop: first it is cancelled, then the exit leaves (T45).
    assert cancels(effects) == [second_stop.client_id]
    assert sends(effects) == []
    stage.later(2)
    (exit_,) = sends(stage.cancelled("stop"))
    assert (exit_.side, exit_.kind, exit_.lots) == (Side.SELL, OrderKind.MARKET, LOTS - 1)

    # Sold: flat, one round trip, and a rest while the strategy cools down.
    stage.later(2)
    effects = stage.fill("exit", LOTS - 1, price=BID - 10)
    assert notes(effects, Verb.FILL) == ["0.00999 @ 99999.40"]
    assert stage.live() == []
    position = stage.kernel.gate.position("surf", BTCUSDT.symbol)
    assert position.is_flat
    assert position.round_trips == 1
    assert position.quantity == 0
    paid, received = Decimal("999.995"), Decimal("999.994") * 999 / 1000
    assert position.realised_quote - position.fees_quote == received - paid
    stage.later(500)
    stage.lean(800, 200)
    assert len(stage.sent) == 4

    # Cool again and the signal still there: the next entry, under a new id.
    stage.later(600)
    (again,) = sends(stage.lean(801, 199))
    assert again.client_id != buy.client_id
    assert len({intent.client_id for intent in stage.sent}) == len(stage.sent) == 5


def test_a_signal_that_fades_takes_the_entry_back() -> None:
    stage = surf_stage()
    stage.ready()
    (buy,) = sends(stage.lean(800, 200))
    stage.ack("entry")
    stage.later(100)
    assert cancels(stage.lean(500, 500)) == [buy.client_id]
    stage.cancelled("entry")
    assert stage.live() == []
    assert stage.position == 0


def test_an_entry_that_fills_while_it_is_cancelled_is_protected() -> None:
    stage = surf_stage()
    stage.ready()
    (buy,) = sends(stage.lean(800, 200))
    stage.ack("entry")
    stage.later(100)
    assert cancels(stage.lean(500, 500)) == [buy.client_id]
    effects = stage.fill("entry", LOTS)
    assert [intent.role for intent in sends(effects)] == [OrderRole.STOP]
    assert sends(effects)[0].lots == LOTS


def test_the_stop_that_fires_ends_the_trade() -> None:
    stage = surf_stage()
    stage.ready()
    stage.lean(800, 200)
    stage.ack("entry")
    stage.fill("entry", LOTS)
    stage.ack("stop")
    stop = stage.order("stop").intent
    effects = stage.fill("stop", LOTS, price=stop.trigger_ticks - 30)
    assert notes(effects, Verb.FILL)
    assert [sends(effects), cancels(effects)] == [[], []]
    assert stage.position == 0
    assert stage.live() == []


def test_a_crossed_book_sends_nothing_and_takes_entries_back() -> None:
    stage = surf_stage()
    stage.ready()
    stage.lean(800, 200)
    stage.ack("entry")
    entry_id = stage.order("entry").intent.client_id
    effects = stage.book(bids=[(ASK + 5, 900)])
    assert cancels(effects) == [entry_id]
    stage.cancelled("entry")
    stage.later(2_000)
    assert sends(stage.book(bids=[(ASK + 6, 900)])) == []
