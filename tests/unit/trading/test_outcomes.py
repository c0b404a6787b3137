"""What the kernel does when answers are lost, late, doubled or contradict (T6 T7 T8 T34 T36)."""

from __future__ import annotations

import msgspec

from obiterm.core.commands import CancelOrder
from obiterm.core.effects import Query, Verb
from obiterm.core.events import (
    CancelRefused,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
)
from obiterm.core.orders import LiveOrder
from obiterm.core.values import ClientOrderId, OrderKind, OrderState, Side, VenueOrderId
from tests.trading_support.stage import (
    BID,
    BTC,
    Stage,
    cancels,
    entry,
    leave,
    listed,
    notes,
    queries,
    reconciles,
    sends,
    stop,
)


def with_entry(lots: int = 1_000) -> Stage:
    """A kernel whose entry is on its way."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    assert stage.live() == [("entry", OrderState.SENT)]
    return stage


def lose(stage: Stage) -> list[ClientOrderId]:
    order = stage.order("entry").intent
    return queries(stage.step(OrderOutcomeLost(BTC, order.client_id, "504 timeout", stage.now_ns)))


def not_found(stage: Stage, tag: str = "entry") -> list[str]:
    client_id = stage.order(tag).intent.client_id
    return notes(stage.step(OrderNotFound(BTC, client_id, stage.now_ns)))


# -- the outcome of a send is not known ---------------------------------------------------


def test_a_lost_outcome_is_asked_for_and_never_sent_again() -> None:
    """T6 T7 T37: while nobody knows, no second order leaves for the same intent."""
    stage = with_entry()
    sent = stage.sent[0]
    assert lose(stage) == [sent.client_id]
    assert stage.live() == [("entry", OrderState.UNKNOWN)]
    assert not_found(stage) == []
    stage.ticks(5)
    assert len(stage.sent) == 1
    asked = [effect for effect in stage.log if isinstance(effect, Query)]
    assert len(asked) == 6  # at once, then once a second
    stage.report(sent, OrderState.OPEN)
    assert stage.live() == [("entry", OrderState.OPEN)]
    assert len(stage.sent) == 1


def test_no_such_order_counts_only_after_the_request_window() -> None:
    """The venue may still get a request for five seconds; before that "unknown" proves nothing."""
    stage = with_entry()
    lose(stage)
    for _ in range(6):
        not_found(stage)
        assert stage.live() == [("entry", OrderState.UNKNOWN)]
        stage.ticks(0.9)
    stage.later(700)
    assert not_found(stage)[0] == "not at the venue"
    assert len(stage.sent) == 2  # only now a new one, under a new id
    assert stage.sent[0].client_id != stage.sent[1].client_id


def test_a_cancel_before_the_answer_does_not_shorten_the_window() -> None:
    """T5: an order cancelled while it was on its way may still arrive after "unknown order"."""
    stage = with_entry()
    stage.puppet.wishes = ()
    order = stage.order("entry")
    stage.command(CancelOrder(account="main", symbol=BTC, client_id=order.intent.client_id))
    stage.later(50)
    refused = CancelRefused(BTC, order.intent.client_id, "-2011", "Unknown order", stage.now_ns)
    assert queries(stage.step(refused)) == [order.intent.client_id]
    assert not_found(stage) == []
    assert stage.live() == [("entry", OrderState.CANCELLING)]
    stage.later(2_000)
    effects = stage.report(order.intent, OrderState.OPEN)  # it has arrived after all
    assert cancels(effects) == [order.intent.client_id]
    stage.cancelled("entry")
    assert stage.live() == []


def test_an_answer_that_never_comes_is_asked_for() -> None:
    """T6: neither reply nor stream; the order is found by its id."""
    stage = with_entry()
    effects = stage.ticks(3.2)
    assert queries(effects) == [stage.sent[0].client_id]
    stage.report(stage.sent[0], OrderState.FILLED, 1_000)
    assert stage.live() == []


def test_an_order_that_the_stream_has_shown_is_not_in_doubt() -> None:
    """T37: the reply times out after the stream has told that the order rests."""
    stage = with_entry()
    stage.ack("entry")
    assert lose(stage) == []
    assert stage.live() == [("entry", OrderState.OPEN)]
    client_id = stage.sent[0].client_id
    stage.step(OrderRefused(BTC, client_id, "-2010", "duplicate", stage.now_ns))
    assert stage.live() == [("entry", OrderState.OPEN)]


def test_a_refused_order_that_rests_all_the_same_is_taken_back() -> None:
    """T6: a refusal was answered although the venue had taken the order; the venue's truth wins."""
    stage = with_entry()
    sent = stage.sent[0]
    stage.puppet.wishes = ()
    stage.step(OrderRefused(BTC, sent.client_id, "MAINTENANCE", "come back later", stage.now_ns))
    assert stage.live() == []
    assert queries(stage.report(sent, OrderState.OPEN)) == [sent.client_id]
    assert stage.live() == [("entry", OrderState.UNKNOWN)]
    assert cancels(stage.report(sent, OrderState.OPEN)) == [sent.client_id]  # nobody wants it


def test_a_question_without_an_answer_is_asked_again() -> None:
    """An order vanished from the venue's list, and the first question was lost too."""
    stage = with_entry()
    stage.ack("entry")
    stage.ticks(2)
    client_id = stage.sent[0].client_id
    assert queries(stage.reconcile([])) == [client_id]
    stage.step(OrderOutcomeLost(BTC, client_id, "query: 503", stage.now_ns))
    assert queries(stage.ticks(2.5)) == [client_id, client_id]
    stage.report(stage.sent[0], OrderState.CANCELLED)
    assert stage.live()[-1][0] == "entry"
    assert queries(stage.ticks(2.5)) == []


def test_an_order_that_vanished_ends_and_the_account_is_read_again() -> None:
    """T8: unknown at the venue, so it does not block the next one."""
    stage = with_entry()
    stage.ack("entry")
    stage.later(1_100)
    effects = stage.step(OrderNotFound(BTC, stage.sent[0].client_id, stage.now_ns))
    assert reconciles(effects) == ["an order vanished"]
    assert len(stage.sent) == 2


def test_no_such_order_from_before_the_order_came_is_no_news() -> None:
    """The venue looked, the order came and was told, and then its answer arrived."""
    stage = with_entry()
    stage.ticks(3.1)
    stage.ack("entry")
    stage.later(400)
    assert not_found(stage) == []
    assert stage.live() == [("entry", OrderState.OPEN)]
    assert queries(stage.ticks(1.1)) == [stage.sent[0].client_id]


def test_an_order_that_the_venue_still_lists_is_taken_back() -> None:
    """T6: six buys that a client had given up were filled later. Here they are asked about."""
    stage = with_entry()
    lose(stage)
    stage.puppet.wishes = ()
    order = stage.order("entry")
    stage.ticks(6.1)
    not_found(stage)
    assert stage.live() == []
    stage.ticks(2)
    effects = stage.reconcile([listed(order)])
    assert queries(effects) == [order.intent.client_id]
    assert stage.live() == [("entry", OrderState.UNKNOWN)]
    effects = stage.report(order.intent, OrderState.OPEN)
    assert cancels(effects) == [order.intent.client_id]  # nobody wishes it any more


def test_a_list_that_left_before_the_end_revives_nothing() -> None:
    stage = with_entry()
    stage.ack("entry")
    order = stage.order("entry")
    stage.puppet.wishes = ()
    stage.book()
    stage.cancelled("entry")
    stage.later(200)
    assert queries(stage.reconcile([listed(order)])) == []
    assert stage.live() == []


# -- cancels ------------------------------------------------------------------------------


def test_a_refused_cancel_is_asked_about() -> None:
    stage = with_entry()
    stage.ack("entry")
    stage.puppet.wishes = ()
    stage.book()
    client_id = stage.sent[0].client_id
    refused = CancelRefused(BTC, client_id, "-2011", "Unknown order sent.", stage.now_ns)
    assert queries(stage.step(refused)) == [client_id]
    effects = stage.report(stage.sent[0], OrderState.FILLED, 1_000)
    assert effects == []
    assert stage.kernel.desk.fills_owed(BTC, "one")


def test_a_cancel_that_was_lost_is_sent_again() -> None:
    """T22: cancels are repeated until the venue agrees."""
    stage = with_entry()
    stage.ack("entry")
    stage.puppet.wishes = ()
    stage.book()
    stage.ticks(3.1)
    assert stage.live() == [("entry", OrderState.CANCELLING)]
    effects = stage.report(stage.sent[0], OrderState.OPEN)
    assert cancels(effects) == [stage.sent[0].client_id]
    assert stage.live() == [("entry", OrderState.CANCELLING)]


def test_a_late_fill_after_a_cancel_counts() -> None:
    """Venues do that: CANCELED, and then a fill of the moment before."""
    stage = with_entry()
    stage.ack("entry")
    stage.puppet.wishes = ()
    stage.book()
    order = stage.order("entry").intent
    stage.cancelled("entry")
    stage.step(stage.fill_event(order, 300))
    assert stage.position == 300
    assert stage.live() == []


# -- fills ----------------------------------------------------------------------------------


def test_a_fill_before_the_answer_counts_and_the_answer_is_old_news() -> None:
    stage = with_entry()
    order = stage.sent[0]
    stage.puppet.wishes = ()
    stage.step(stage.fill_event(order, 1_000))
    assert stage.position == 1_000
    assert stage.report(order, OrderState.OPEN) == []
    assert stage.live() == []


def test_a_fill_is_booked_once_however_often_it_is_told() -> None:
    """T34: by reply, by stream, by the trade list, and again after a restart of the stream."""
    stage = with_entry()
    fill = stage.fill_event(stage.sent[0], 400, trade_id=77)
    assert notes(stage.step(fill), Verb.FILL)
    for _ in range(3):
        assert notes(stage.step(fill), Verb.FILL) == []
    assert stage.position == 400


def test_fills_that_were_told_but_did_not_come_are_fetched() -> None:
    """T11: until they are here the strategy does not decide on an old position."""
    stage = with_entry()
    stage.ack("entry")
    views = len(stage.puppet.views)
    stage.report(stage.sent[0], OrderState.PARTIAL, 400)
    stage.book()
    assert len(stage.puppet.views) == views
    assert reconciles(stage.ticks(0.3)) == ["fills are missing"]
    stage.step(stage.fill_event(stage.sent[0], 400))
    assert len(stage.puppet.views) > views
    assert stage.position == 400
    assert reconciles(stage.ticks(3)) == []


def test_fills_that_never_come_are_given_up_with_an_alarm() -> None:
    """T36: a reconciliation that never converges must not run for ever, nor block for ever."""
    stage = with_entry()
    stage.ack("entry")
    stage.report(stage.sent[0], OrderState.PARTIAL, 400)
    effects = stage.ticks(60)
    assert len(reconciles(effects)) <= 8
    assert "the venue does not show all fills: check the position" in notes(effects, Verb.RISK)
    assert not stage.kernel.desk.fills_owed(BTC)


def test_a_fill_of_an_order_of_ours_that_is_not_known_makes_it_asked_for() -> None:
    """T32: the disk is gone, the order is not: it is ours by its id, and may still rest."""
    stage = Stage()
    stage.ready()
    intent = entry(1_000)
    stage.puppet.wishes = (intent,)
    stage.book()
    ours = stage.sent[0]

    fresh = Stage()
    fresh.ready()
    fresh.step(fresh.fill_event(ours, 400))
    assert fresh.position == 400
    assert fresh.kernel.gate.position("one", BTC).lots == 400
    assert queries(fresh.tick()) == [ours.client_id]
    fresh.step(fresh.fill_event(ours, 100))
    fresh.puppet.wishes = (entry(500),)
    fresh.report(ours, OrderState.PARTIAL, 500)
    (order,) = fresh.kernel.desk.live()
    assert (order.state, order.intent.lots, order.lots_left) == (OrderState.PARTIAL, 1_000, 500)
    assert order.intent.price_ticks == BID
    assert fresh.sent == []  # what is left of it is what is wished


def test_foreign_orders_are_shown_apart_and_never_touched() -> None:
    """T52: a person trades on the same account."""
    stage = Stage()
    stage.ready()
    foreign = LiveOrder(
        symbol=BTC,
        client_id=ClientOrderId("web_1234"),
        venue_id=VenueOrderId("555"),
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        lots=10,
        filled_lots=0,
        price_ticks=BID + 900,
        trigger_ticks=0,
        created_ns=0,
    )
    effects = stage.reconcile([foreign])
    assert effects == []
    assert list(stage.kernel.desk.foreign) == ["web_1234"]
    stage.puppet.wishes = (entry(1_000),)
    stage.book()
    intent = stage.sent[0]
    theirs = msgspec.structs.replace(intent, client_id=foreign.client_id)
    assert stage.step(stage.fill_event(theirs, 10)) == []
    assert stage.position == 0
    stage.ticks(40)
    assert not any(client_id == "web_1234" for client_id in cancels(stage.log))
    assert stage.reconcile([]) is not None
    assert stage.kernel.desk.foreign == {}


# -- one live order per intent --------------------------------------------------------------


def test_two_orders_under_one_tag_become_one() -> None:
    """T51: after a storm one protective order is left per position."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(1_000),)
    stage.book()
    stage.fill("entry", 1_000)
    stage.puppet.wishes = (stop(1_000),)
    stage.book()
    stage.ack("stop")
    first = stage.order("stop")

    twin = LiveOrder(
        symbol=BTC,
        client_id=ClientOrderId(first.intent.client_id.replace("-run1-", "-run0-")),
        venue_id=VenueOrderId("77"),
        side=Side.SELL,
        kind=OrderKind.STOP_MARKET,
        lots=1_000,
        filled_lots=0,
        price_ticks=0,
        trigger_ticks=first.intent.trigger_ticks,
        created_ns=0,
    )
    stage.later(2_000)
    effects = stage.reconcile([listed(first), twin])
    assert cancels(effects) == [twin.client_id]
    assert [o.intent.client_id for o in stage.kernel.desk.live() if o.state is OrderState.OPEN] == [
        first.intent.client_id
    ]


def test_an_exit_waits_for_what_binds_its_coins_only() -> None:
    """T45: the stop must be gone; a buy that is still out binds no coins and holds up nothing."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(1_000),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (entry(600), stop(400))
    stage.fill("entry", 400)
    stage.ack("stop")
    stage.puppet.wishes = (leave(400),)
    effects = stage.book()
    assert len(cancels(effects)) == 2
    assert sends(effects) == []
    (exit_,) = sends(stage.cancelled("stop"))
    assert exit_.lots == 400
    assert ("entry", OrderState.CANCELLING) in stage.live()
