"""Cadence, mailbox and notices: pure parts of the screen."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.commands import Kill
from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.link.messages import Done, Frame, LogLine, LogLines, ToScreen
from obiterm.ui.cadence import PERIOD_NS, STEPS, Cadence
from obiterm.ui.gate import PanicNotice
from obiterm.ui.latch import Stage
from obiterm.ui.mailbox import MAX_CARRIED_TRADES, Mailbox
from obiterm.ui.notices import TOAST_NS, NoticeBoard
from tests.ui_support.market import MadeUpMarket, log_lines

FRAME_NS = 100 * NS_PER_MS


def paints(cadence: Cadence, kind: str, seconds: int, start_ns: int = 0) -> int:
    return sum(
        cadence.due(kind, start_ns + tick * FRAME_NS)
        for tick in range(seconds * NS_PER_S // FRAME_NS)
    )


def test_panes_are_painted_at_their_rates() -> None:
    cadence = Cadence()
    assert paints(cadence, "ladder", 10) == 100
    assert paints(cadence, "tables", 10) == 20
    assert paints(cadence, "heat", 10) == 100


def test_a_slow_terminal_slows_the_panes_by_steps_and_back() -> None:
    cadence, now_ns = Cadence(), 0
    factors = []
    for _ in range(40):
        now_ns += FRAME_NS
        cadence.observe(3, now_ns)
        factors.append(cadence.factor)
    assert sorted(set(factors)) == list(STEPS)
    assert factors == sorted(factors)
    slow = paints(cadence, "ladder", 8, now_ns)
    assert slow <= 11
    for _ in range(100):
        now_ns += FRAME_NS
        cadence.observe(0, now_ns)
    assert cadence.factor == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 500 * NS_PER_MS)), max_size=80))
def test_the_factor_is_always_one_of_the_steps(history: list[tuple[int, int]]) -> None:
    cadence, now_ns = Cadence(), 0
    for backlog, pause_ns in history:
        now_ns += pause_ns
        cadence.observe(backlog, now_ns)
        assert cadence.factor in STEPS
        for kind in PERIOD_NS:
            cadence.due(kind, now_ns)


def frames(count: int) -> list[Frame]:
    market = MadeUpMarket(levels=5)
    return [market.frame() for _ in range(count)]


def test_newest_frame_wins_and_keeps_the_prints_of_the_skipped() -> None:
    box, made = Mailbox(), frames(5)
    woken = [box.put(frame) for frame in made]
    assert woken == [True, False, False, False, False]
    delivery = box.take()
    assert delivery.frame is not None
    assert delivery.frame.seq == made[-1].seq
    assert delivery.frame.trades == [dot for frame in made for dot in frame.trades]
    assert box.put(made[0])


def test_prints_that_are_carried_are_bounded() -> None:
    box = Mailbox()
    for frame in frames(400) * 3:
        box.put(frame)
    delivery = box.take()
    assert delivery.frame is not None
    newest = 10  # a frame of the made-up market has fewer prints than this
    assert MAX_CARRIED_TRADES <= len(delivery.frame.trades) <= MAX_CARRIED_TRADES + newest


@given(st.lists(st.sampled_from(["frame", "lines", "done", "take"]), max_size=60))
def test_lines_and_answers_are_never_lost_or_reordered(story: list[str]) -> None:
    box, frame = Mailbox(), frames(1)[0]
    lines: list[LogLine] = []
    answers: list[ToScreen] = []
    put_lines, put_answers = 0, 0
    for step in [*story, "take"]:
        if step == "take":
            delivery = box.take()
            lines += delivery.lines
            answers += delivery.others
        elif step == "frame":
            box.put(frame)
        elif step == "lines":
            put_lines += 1
            line = msgspec.structs.replace(log_lines()[0], seq=put_lines)
            box.put(LogLines(lines=[line]))
        else:
            put_answers += 1
            box.put(Done(put_answers, True, ""))
    assert [line.seq for line in lines] == list(range(1, put_lines + 1))
    assert [one.request_id for one in answers if isinstance(one, Done)] == list(
        range(1, put_answers + 1)
    )


def notice(stage: Stage, *, delivered: bool = True, opens: bool = False) -> PanicNotice:
    return PanicNotice(stage, Kill("*"), delivered, opens)


def test_the_most_urgent_notice_is_shown_until_it_ends() -> None:
    board = NoticeBoard()
    board.banner = "HOST GONE"
    board.say("accepted", 0, good=True)
    board.panic(notice(Stage.HELD), 0)
    first = board.current(1)
    assert first is not None
    assert first.text == "HOLD FIRE: F9 again = KILL"
    assert first.until_ns == 1_500 * NS_PER_MS
    second = board.current(first.until_ns)
    assert second is not None
    assert second.text == "accepted"
    last = board.current(TOAST_NS)
    assert last is not None
    assert (last.kind, last.text) == ("banner", "HOST GONE")


def test_an_undelivered_kill_names_the_other_way() -> None:
    board = NoticeBoard()
    board.panic(notice(Stage.KILLED, delivered=False), 0)
    shown = board.current(1)
    assert shown is not None
    assert "NOT SENT" in shown.text
    assert "obiterm kill" in shown.text


def test_another_key_takes_the_flatten_strip_away() -> None:
    board = NoticeBoard()
    board.panic(notice(Stage.LEAD, opens=True), 0)
    assert board.current(1) is not None
    board.panic(notice(Stage.CLOSED), 2)
    assert board.current(3) is None


def test_only_yes_answers_a_question() -> None:
    done: list[str] = []
    board = NoticeBoard()
    board.ask("sell at market", lambda: done.append("sold"), 0)
    assert board.asking(1)
    assert board.answer("enter", 1) is None
    assert not board.asking(2)
    board.ask("sell at market", lambda: done.append("sold"), 3)
    then = board.answer("y", 4)
    assert then is not None
    then()
    assert done == ["sold"]


def test_a_question_ends_by_itself() -> None:
    board = NoticeBoard()
    board.ask("sell at market", lambda: None, 0)
    assert not board.asking(60 * NS_PER_S)
    assert board.current(60 * NS_PER_S) is None
