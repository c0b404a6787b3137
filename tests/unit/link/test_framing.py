"""Bytes to messages and back, cut anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.commands import (
    AnyCommand,
    CancelSymbol,
    EmergencyExit,
    HoldFire,
    Kill,
    PlaceOrder,
    Rearm,
)
from obiterm.core.errors import DataError
from obiterm.core.values import Side, Symbol
from obiterm.link.framing import (
    MAX_TO_HOST_BYTES,
    Deframer,
    decode_to_host,
    decode_to_screen,
    encode,
    is_panic,
)
from obiterm.link.messages import AskStatus, Frame, Hello, Request, ToHost, Watch

_NAMES = st.text(max_size=20)
_COMMANDS: st.SearchStrategy[AnyCommand] = st.one_of(
    st.builds(Kill, _NAMES),
    st.builds(EmergencyExit, _NAMES),
    st.builds(HoldFire, _NAMES),
    st.builds(Rearm, _NAMES, _NAMES),
    st.builds(CancelSymbol, _NAMES, _NAMES.map(Symbol)),
    st.builds(
        PlaceOrder,
        _NAMES,
        _NAMES.map(Symbol),
        st.sampled_from(Side),
        st.integers(-(2**53), 2**53),
    ),
)
_MESSAGES: st.SearchStrategy[ToHost] = st.one_of(
    st.builds(Hello, st.integers(0, 99), _NAMES, _NAMES),
    st.builds(Watch, _NAMES, _NAMES),
    st.builds(Request, st.integers(0, 2**31), _COMMANDS),
    st.just(AskStatus()),
)


@given(st.lists(_MESSAGES, max_size=8), st.lists(st.integers(1, 50), min_size=1))
def test_messages_survive_any_cut(messages: list[ToHost], cuts: list[int]) -> None:
    stream = b"".join(encode(message) for message in messages)
    deframer = Deframer(MAX_TO_HOST_BYTES)
    found = []
    turn = 0
    while stream:
        size = cuts[turn % len(cuts)]
        deframer.feed(stream[:size])
        stream = stream[size:]
        turn += 1
        while (payload := deframer.next()) is not None:
            found.append(decode_to_host(payload))
    assert found == messages


def test_a_frame_keeps_unknown_numbers(make_frame: Callable[[int], Frame]) -> None:
    frame = make_frame(3)
    back = decode_to_screen(encode(frame)[4:])
    assert isinstance(back, Frame)
    assert math.isnan(back.market.atr_ticks)
    assert back.depth == frame.depth


def test_a_length_over_the_limit_is_refused_before_it_is_read() -> None:
    deframer = Deframer(100)
    deframer.feed((101).to_bytes(4, "big"))
    with pytest.raises(DataError, match="101 bytes was announced; at most 100"):
        deframer.next()


@given(st.binary(max_size=64))
def test_garbage_is_a_data_error_or_a_message(payload: bytes) -> None:
    for decode in (decode_to_host, decode_to_screen):
        with suppress(DataError):
            assert isinstance(decode(payload), msgspec.Struct)


@given(_MESSAGES)
def test_only_kill_exit_and_hold_go_first(message: ToHost) -> None:
    command = message.command if isinstance(message, Request) else None
    assert is_panic(message) == isinstance(command, Kill | EmergencyExit | HoldFire)
