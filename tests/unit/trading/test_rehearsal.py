"""Rehearsed orders change nothing: a run with them decides as one without, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.cli.main import main
from obiterm.core.commands import HoldFire, Kill, Rearm, StopStrategy
from obiterm.core.effects import Effect
from obiterm.core.events import Event
from obiterm.core.orders import RehearsedOrder
from obiterm.core.values import OrderRole, OrderState, Side, TradingState
from obiterm.journal.log import Journal, read_rows
from obiterm.research.rejournal import replay_journal
from obiterm.trading.kernel import Kernel
from obiterm.trading.risk import RiskGate
from tests.trading_support.stage import ASK, BID, GENEROUS, Stage, entry, sends, stop
from tests.unit.trading_parts.risk_cases import LIMITS, context, intent

encode = msgspec.msgpack.Encoder().encode


class Rehearsing(Stage):
    """A stage that rehearses before and after everything that happens."""

    rehearsed = 0

    def step(self, event: Event) -> list[Effect]:
        self._rehearse()
        effects = super().step(event)
        self._rehearse()
        return effects

    def later(self, ms: float) -> None:
        self._rehearse()
        super().later(ms)
        self._rehearse()

    def _rehearse(self) -> None:
        for turn in range(3):
            self.rehearsed += self.kernel.rehearse(turn, self.now_ns) is not None


def wish(stage: Stage, price: int) -> None:
    stage.puppet.wishes = (entry(price=price), stop(500))


def answer(stage: Stage, state: OrderState) -> None:
    for order in list(stage.kernel.desk.live()):
        if order.state is OrderState.SENT:
            stage.report(order.intent, state)


def fill(stage: Stage) -> None:
    for order in list(stage.kernel.desk.live()):
        if order.intent.role is OrderRole.ENTRY and order.state in (
            OrderState.OPEN,
            OrderState.PARTIAL,
        ):
            stage.fill(order.intent.tag, min(100, order.lots_left))


THINGS: dict[str, Callable[[Stage], object]] = {
    "wishes a": lambda stage: wish(stage, BID - 10),
    "wishes b": lambda stage: wish(stage, BID - 1_000),
    "wishes nothing": lambda stage: setattr(stage.puppet, "wishes", ()),
    "a book": lambda stage: stage.book([(BID, 700)], [(ASK, 900)]),
    "a gap": lambda stage: stage.book(skip=3),
    "a snapshot": lambda stage: stage.snapshot(),
    "a tick": lambda stage: stage.tick(),
    "a silence": lambda stage: stage.tick(3_000),
    "acks": lambda stage: answer(stage, OrderState.OPEN),
    "refusals": lambda stage: answer(stage, OrderState.REJECTED),
    "a fill": fill,
    "less money": lambda stage: stage.balance("USDT", Decimal(50)),
    "more money": lambda stage: stage.balance("USDT", Decimal(1_000_000)),
    "account down": lambda stage: stage.feed("account", up=False),
    "account up": lambda stage: stage.feed("account", up=True),
    "the venue's word": lambda stage: stage.reconcile(),
    "hold": lambda stage: stage.command(HoldFire(account="main")),
    "kill": lambda stage: stage.command(Kill(account="main")),
    "rearm": lambda stage: stage.command(Rearm(account="main", typed="main")),
}
TIGHT = GENEROUS.model_copy(update={"max_orders_per_10s": 4, "max_open_orders": 3})


@given(st.lists(st.sampled_from(sorted(THINGS)), max_size=40), st.sampled_from([GENEROUS, TIGHT]))
def test_decisions_are_the_same_with_rehearsals(things: list[str], limits: object) -> None:
    plain, rehearsing = (kind(limits=limits) for kind in (Stage, Rehearsing))  # type: ignore[arg-type]
    for stage in (plain, rehearsing):
        stage.ready()
        for thing in things:
            THINGS[thing](stage)
    assert [encode(one) for one in rehearsing.log] == [encode(one) for one in plain.log]
    assert rehearsing.live() == plain.live()
    assert isinstance(rehearsing, Rehearsing)
    assert rehearsing.rehearsed > 0


def test_a_run_with_rehearsals_is_decided_again_without(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of a rehearsing run, stepped through kernels that never rehearse."""
    step, rehearsed = Kernel.step, 0

    def rehearsing(kernel: Kernel, event: Event, now_ns: int) -> list[Effect]:
        nonlocal rehearsed
        rehearsed += kernel.rehearse(rehearsed, now_ns) is not None
        return step(kernel, event, now_ns)

    with monkeypatch.context() as patch:
        patch.setattr(Kernel, "step", rehearsing)
        command = [
            "demo",
            "--profile",
            "demo-spot",
            "--headless",
            "--speed",
            "max",
            "--seconds",
            "60",
            "--seed",
            "7",
        ]
        assert main([*command, "--json"]) == 0
    assert rehearsed > 100
    (path,) = (own_home / "obiterm").rglob("*.journal")
    assert any(row.kind == "intent" for row in read_rows(path))
    check = replay_journal(path)
    assert check.is_same, check.first_difference


def test_it_is_an_entry_below_the_market_under_a_number_that_no_order_has() -> None:
    stage = Stage()
    stage.ready()
    order = stage.kernel.rehearse(0, stage.now_ns)
    assert isinstance(order, RehearsedOrder)
    assert order.intent.client_id == "ob-run1-0e-one-dry"
    assert (order.intent.side, order.intent.role) == (Side.BUY, OrderRole.ENTRY)
    assert 0 < order.intent.price_ticks < BID * 995 // 1_000
    instrument = stage.kernel.setup.instruments[order.intent.symbol]
    assert instrument.notional(order.intent.price_ticks, order.intent.lots) >= (
        instrument.min_notional
    )
    assert stage.kernel.desk.live_count == 0
    stage.puppet.wishes = (entry(),)
    assert sends(stage.book())[0].client_id.startswith("ob-run1-1e-")


def test_each_instance_has_its_turn() -> None:
    stage = Stage({"a": Stage().puppet, "b": Stage().puppet})
    stage.ready()
    told = [stage.kernel.rehearse(turn, stage.now_ns) for turn in range(3)]
    assert [order and order.intent.owner for order in told] == ["a", "b", "a"]


@pytest.mark.parametrize("why", ["halted", "holding", "out of sight", "stopped", "stale book"])
def test_there_is_none_while_nothing_could_enter(why: str) -> None:
    stage = Stage()
    stage.ready()
    assert stage.kernel.rehearse(0, stage.now_ns) is not None
    match why:
        case "halted":
            stage.command(Kill(account="main"))
            assert stage.kernel.state is TradingState.HALTED
        case "holding":
            stage.command(HoldFire(account="main"))
        case "out of sight":
            stage.feed("account", up=False)
        case "stopped":
            stage.command(StopStrategy(account="main", name="one"))
        case _:
            stage.later(60_000)
    assert stage.kernel.rehearse(0, stage.now_ns) is None


def test_there_is_none_for_an_account_that_is_not_armed() -> None:
    stage = Stage(armed=False)
    stage.ready()
    assert stage.kernel.rehearse(0, stage.now_ns) is None


def test_a_judgement_counts_no_order() -> None:
    gate, one = RiskGate(LIMITS), intent()
    for _ in range(10 * LIMITS.max_orders_per_10s):
        assert gate.judge(one, context(), 1) is None
    for _ in range(LIMITS.max_orders_per_10s):
        assert not hasattr(gate.check(one, context(), 1), "limit")
    refused = gate.judge(one, context(), 1)
    assert refused is not None
    assert refused.limit == "max_orders_per_10s"
    assert gate.check(one, context(), 1) == refused


def test_a_rehearsed_row_leaves_no_trace(tmp_path: Path) -> None:
    files: list[bytes] = []
    for rehearses in (False, True):
        journal = Journal.open(tmp_path / f"{rehearses}.journal")
        for number in range(3):
            if rehearses:
                journal.rehearse("main", "intent", b"dry", number)
            journal.append("main", "intent", b"real", number)
            if rehearses:
                journal.rehearse("main", "intent", b"dry", number)
            journal.commit()
        assert journal.rows_written == 3
        journal.close()
        files.append((tmp_path / f"{rehearses}.journal").read_bytes())
    assert files[0] == files[1]
