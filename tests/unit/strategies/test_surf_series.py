"""surf on whole series, made up and random."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.instruments import Instrument
from obiterm.core.values import Side
from tests.unit.strategies.surf_desk import FULL, PERP, SPOT, Desk, tags

# -- whole series ------------------------------------------------------------------------------


def test_a_series_buys_protects_and_sells() -> None:
    desk = Desk(confirm_updates=2, cooldown_ms=0)
    seen = [tags(desk.see(obi)) for obi in (0.1, 0.45, 0.5)]
    desk.hold()
    seen += [tags(desk.see(obi)) for obi in (0.5, 0.1, -0.3, -0.55, -0.6)]
    desk.flat()
    seen += [tags(desk.see(obi)) for obi in (-0.6, 0.1, 0.6)]
    assert seen == [
        [],
        ["entry"],
        ["entry"],
        ["stop"],
        ["stop"],
        ["stop"],
        ["stop"],
        ["exit"],
        [],
        [],
        ["entry"],
    ]


STEP = st.tuples(
    st.floats(-1, 1),
    st.integers(0, 3_000),
    st.integers(0, 3),
    st.integers(90_000, 110_000),
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from([None, 0, 300, 40_000, FULL]),
)


@given(
    st.lists(STEP, max_size=40),
    st.integers(-20, 60),
    st.integers(0, 20),
    st.sampled_from([(SPOT, "long"), (PERP, "both"), (PERP, "short")]),
)
def test_no_series_makes_it_cross_oversell_or_go_unprotected(
    steps: list[tuple[float, int, int, int, int, bool, int | None]],
    offset: int,
    reprice: int,
    market: tuple[Instrument, str],
) -> None:
    instrument, direction = market
    desk = Desk(instrument, direction=direction, offset_ticks=offset, reprice_ticks=reprice)
    for obi, ms, updates, bid, spread, tradable, lots in steps:
        if lots == 0:
            desk.flat()
        elif lots is not None:
            sign = -1 if direction == "short" else 1
            desk.hold(lots * sign, average=float(bid), kept=lots)
        ask = bid + spread
        decision = desk.see(
            obi, ms=ms, updates=updates, bid_ticks=bid, ask_ticks=ask, tradable=tradable
        )
        names = tags(decision)
        assert len(names) == len(set(names))
        assert decision.reason
        held = desk.position.lots
        for one in decision.wishes:
            assert one.lots > 0
            if one.tag == "entry":
                assert tradable
                assert one.post_only
                assert one.price_ticks < ask if one.side is Side.BUY else one.price_ticks > bid
                assert instrument is PERP or one.side is Side.BUY
            else:
                assert one.side is (Side.SELL if held > 0 else Side.BUY)
                assert one.lots <= abs(held)
        if abs(held) >= 40_000:
            assert ("stop" in names) != ("exit" in names)
            assert "exit" not in names or names == ["exit"]
        if not held:
            assert names in ([], ["entry"])


@given(st.lists(STEP, max_size=30))
def test_the_same_views_give_the_same_decisions(
    steps: list[tuple[float, int, int, int, int, bool, int | None]],
) -> None:
    """R32: no clock, no randomness."""
    runs = []
    for _ in range(2):
        desk = Desk()
        run = []
        for obi, ms, updates, bid, spread, tradable, lots in steps:
            if lots:
                desk.hold(lots)
            run.append(
                desk.see(
                    obi,
                    ms=ms,
                    updates=updates,
                    bid_ticks=bid,
                    ask_ticks=bid + spread,
                    tradable=tradable,
                )
            )
        runs.append(run)
    assert runs[0] == runs[1]
