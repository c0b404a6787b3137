"""Scripts of timed faults: written down, or drawn from a seed (same seed, same bad day)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from obiterm.exchange.wire.faults import FaultKind, FaultRequest

MEAN_PAUSE_S = 4.0
"""Time between two faults of a drawn script, on average."""
_ARMED_MS = 10_000
"""How long a fault that waits for a request stays armed."""
_CLOCK_STEP_MS = 30_000


class Places(msgspec.Struct, frozen=True):
    """What a venue calls its requests, as patterns over labels."""

    order: str
    cancel: str
    read: str
    busy: tuple[int, int | None] = (429, None)
    """Status and code by which the venue says that there were too many requests."""


PLACES = {
    "binance": Places("order.place", "*ancel*", "*.status"),
    "binance-futures": Places("*.place", "*ancel*", "*.status"),
    "bybit": Places("order.create", "order.cancel*", "/v5/*/*", (200, 10006)),
    "backpack": Places("orderExecute", "orderCancel*", "*Query*"),
}


class TimedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault and when it begins, counted from the start of the script."""

    at_ms: int
    fault: FaultRequest


class ScriptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``POST /_exchange/script`` takes: faults, or what to draw them from."""

    faults: list[TimedFault] = []
    seed: int = 1
    seconds: float = 60.0
    venue: str = "binance"


def draw_script(seed: int, seconds: float, venue: str) -> list[TimedFault]:
    """Return a bad day for a venue: dropped replies, 429s, 5xx, silence, gaps, cuts, clock steps.

    What begins within ``seconds`` may last up to 15 s longer; at its end the clock is right.
    """
    rng = Random(f"{seed}/{venue}")  # noqa: S311 - a repeatable test, no secret
    places = PLACES[venue]
    script: list[TimedFault] = []
    now_s = rng.expovariate(1 / MEAN_PAUSE_S)
    while now_s < seconds:
        draw = rng.choices(_DRAWS, weights=_WEIGHTS)[0]
        begin_ms = int(now_s * 1000)
        for after_ms, fault in draw(rng, places):
            script.append(TimedFault(at_ms=begin_ms + after_ms, fault=fault))
        now_s += rng.expovariate(1 / MEAN_PAUSE_S)
    return sorted(script, key=lambda one: one.at_ms)


_Drawn = list[tuple[int, FaultRequest]]
_Draw = Callable[[Random, Places], _Drawn]


def _any_request(rng: Random, places: Places) -> str:
    return rng.choice((places.order, places.order, places.cancel, places.read))


def _lost_reply(rng: Random, places: Places) -> _Drawn:
    match = _any_request(rng, places)
    count = rng.randint(1, 2)
    return [(0, FaultRequest(FaultKind.DROP_REPLY, match, for_ms=_ARMED_MS, count=count))]


def _server_error(rng: Random, places: Places) -> _Drawn:
    fault = FaultRequest(
        FaultKind.STATUS,
        _any_request(rng, places),
        for_ms=_ARMED_MS,
        count=rng.randint(1, 3),
        status=rng.choice((500, 502, 503, 504)),
        executed=rng.random() < 0.5,
    )
    return [(0, fault)]


def _too_many(rng: Random, places: Places) -> _Drawn:
    status, code = places.busy
    wait_ms = rng.choice((1_000, 2_000, 3_000))
    match = _any_request(rng, places)
    fault = FaultRequest(
        FaultKind.STATUS, match, ms=wait_ms, for_ms=_ARMED_MS, count=1, status=status, code=code
    )
    return [(0, fault)]


def _slow_answer(rng: Random, places: Places) -> _Drawn:
    fault = FaultRequest(
        FaultKind.DELAY,
        _any_request(rng, places),
        ms=rng.randint(100, 5_000),
        for_ms=_ARMED_MS,
        count=rng.randint(1, 4),
        when=rng.choice(("before", "reply")),
    )
    return [(0, fault)]


def _silence(rng: Random, places: Places) -> _Drawn:
    match = rng.choice(("market", "user"))
    return [(0, FaultRequest(FaultKind.SILENCE, match, for_ms=rng.randint(1_000, 8_000)))]


def _lost_messages(rng: Random, places: Places) -> _Drawn:
    if rng.random() < 0.5:
        return [(0, FaultRequest(FaultKind.GAP, count=rng.randint(1, 3), for_ms=_ARMED_MS))]
    count = rng.randint(1, 2)
    return [(0, FaultRequest(FaultKind.LOSE, "user", count=count, for_ms=_ARMED_MS))]


def _disorder(rng: Random, places: Places) -> _Drawn:
    if rng.random() < 0.5:
        return [(0, FaultRequest(FaultKind.REORDER, count=2, for_ms=_ARMED_MS))]
    count = rng.randint(1, 6)
    return [(0, FaultRequest(FaultKind.DUPLICATE, "user", count=count, for_ms=_ARMED_MS))]


def _jam(rng: Random, places: Places) -> _Drawn:
    match = rng.choice(("market", "user"))
    late_ms, lasts_ms = rng.randint(200, 5_000), rng.randint(500, 4_000)
    return [(0, FaultRequest(FaultKind.LAG, match, ms=late_ms, for_ms=lasts_ms))]


def _cut(rng: Random, places: Places) -> _Drawn:
    match = rng.choice(("market", "user", "ws_api", "all"))
    return [(0, FaultRequest(FaultKind.CUT, match))]


def _half_open(rng: Random, places: Places) -> _Drawn:
    match = rng.choice(("market", "user", "all"))
    return [(0, FaultRequest(FaultKind.STALL, match, ms=rng.randint(1_000, 8_000)))]


def _outage(rng: Random, places: Places) -> _Drawn:
    """The venue is gone: connections break, new ones are refused."""
    lasts_ms = rng.randint(500, 4_000)
    gone = FaultRequest(FaultKind.REFUSE, "all", for_ms=lasts_ms)
    return [(0, gone), (0, FaultRequest(FaultKind.CUT, "all"))]


def _clock_step(rng: Random, places: Places) -> _Drawn:
    step_ms = rng.choice((-_CLOCK_STEP_MS, _CLOCK_STEP_MS))
    lasts_ms = rng.randint(5_000, 12_000)
    return [
        (0, FaultRequest(FaultKind.CLOCK_OFFSET, ms=step_ms)),
        (lasts_ms, FaultRequest(FaultKind.CLOCK_OFFSET, ms=0)),
    ]


_SHARES: tuple[tuple[_Draw, int], ...] = (
    (_lost_reply, 4),
    (_server_error, 4),
    (_too_many, 2),
    (_slow_answer, 4),
    (_silence, 3),
    (_lost_messages, 3),
    (_disorder, 2),
    (_jam, 2),
    (_cut, 3),
    (_half_open, 1),
    (_outage, 1),
    (_clock_step, 1),
)
_DRAWS = [draw for draw, _ in _SHARES]
_WEIGHTS = [weight for _, weight in _SHARES]
