"""The risk bar: arm state, limits used, health of links and loop."""

from __future__ import annotations

import math

from obiterm.core.values import TradingState
from obiterm.link.messages import Frame, RiskPane
from obiterm.ui.paint.bars import gauge
from obiterm.ui.paint.chips import chip, quiet_chip, socket_dot
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.fitting import Part, Spans, choose, join, width_of
from obiterm.ui.paint.line import Line, Row, Span
from obiterm.ui.paint.numbers import account_codes, clock, microseconds, offset, share
from obiterm.ui.paint.palette import Palette, greyed, style
from obiterm.ui.panes.base import RowPane

_HIGH, _FULL = 0.5, 0.8
"""Used share of a limit from which it is shown as a warning and as a danger."""
_SLOW_LOOP_MS = 50.0
_FAR_CLOCK_MS = 1_000.0
"""An offset that is corrected all the same, but that somebody should look at."""
_GAUGE = 4


class RiskBar(RowPane):
    """One line that says how safe it is. Arm state and stops at the venue never give way."""

    DEFAULT_CSS = """
    RiskBar { height: 1; background: $panel; }
    """

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return the one line; the stops stand at its right end."""
        risk = frame.risk
        palette = greyed(context.palette) if context.is_late(frame) else context.palette
        base = style(palette.dim, palette.raised)
        line = Line(width, base)
        arm = [*_arm(frame, palette)]
        stops = _stops(risk, palette)
        if width < 60:
            stops = _stops_short(risk, palette)
        place = line.spans(0, [(" ", base), *arm]) if width >= 40 else line.spans(0, arm)
        end = line.width - width_of(stops) - 1
        if end > place:
            line.spans(end, list(stops))
        room = end - place - 4
        line.spans(place + 2, join(choose(_parts(frame, palette), room), base))
        return [line.row()]


def _arm(frame: Frame, palette: Palette) -> list[Span]:
    risk = frame.risk
    if frame.panic is not None:
        word = "EXIT" if frame.panic.flatten else "KILLED"
        spans = [chip(f"{word} {clock(frame.panic.started_ns)}", palette.warn, palette)]
        if len(frame.panic.accounts) < len(frame.accounts):  # the others trade on
            armed = f"ARMED {risk.armed}/{risk.accounts}"
            colour = palette.ok if risk.armed else palette.dim
            spans.append(chip(armed, colour, palette))
        return spans
    halted = any(account.state is TradingState.HALTED for account in frame.accounts)
    if halted and not risk.armed:
        return [chip("HALTED", palette.warn, palette)]
    if frame.holding:
        return [chip("HOLD FIRE", palette.warn, palette)]
    text = f"{risk.armed}/{risk.accounts}"
    if risk.armed:
        return [chip(f"ARMED {text}", palette.ok, palette)]
    return [quiet_chip(f"SAFE {text}", palette)]


def _stops(risk: RiskPane, palette: Palette) -> Spans:
    return (
        ("stops on exch ", style(palette.dim, palette.raised)),
        *_stops_short(risk, palette)[1:],
    )


def _stops_short(risk: RiskPane, palette: Palette) -> Spans:
    good = risk.stops_resting >= risk.stops_needed
    colour = palette.ok if good else palette.hot
    value = f"{risk.stops_resting}/{risk.stops_needed}"
    return (
        ("stops ", style(palette.dim, palette.raised)),
        (value, style(colour, palette.raised, bold=True)),
    )


def _level(value: float, palette: Palette) -> str:
    if value >= _FULL:
        return palette.hot
    return palette.warn if value >= _HIGH else palette.ok


def _limit(weight: int, label: str, short: str, value: float, palette: Palette) -> Part:
    dim = style(palette.dim, palette.raised)
    colour = _level(value, palette)
    number = (share(value), style(palette.text if value < _FULL else colour, palette.raised))
    line = gauge(value, _GAUGE, style(colour, palette.raised), style(palette.line, palette.raised))
    return Part(
        weight,
        (
            ((f"{label} ", dim), *line, number),
            ((f"{label}", dim), number),
            ((f"{short}", dim), number),
            (),
        ),
    )


def _plain(weight: int, label: str, value: str, palette: Palette, colour: str = "") -> Part:
    spans: Spans = (
        (f"{label} ", style(palette.dim, palette.raised)),
        (value, style(colour or palette.text, palette.raised)),
    )
    return Part(weight, (spans, ()))


def _parts(frame: Frame, palette: Palette) -> list[Part]:
    risk = frame.risk
    parts = _panic(frame, palette)
    if risk.account:
        code = account_codes(frame.accounts).get(risk.account, "?")
        parts.append(Part(98, (((code, style(palette.accent, palette.raised, bold=True)),),)))
    parts += _left_open(frame, palette)
    parts += [
        _limit(90, "day loss", "loss", risk.day_loss_share, palette),
        _limit(85, "exposure", "exp", risk.exposure_share, palette),
    ]
    if frame.panic is None:
        parts.append(_plain(70, "orders", f"{risk.orders_open}/{risk.orders_limit}", palette))
    parts += [
        _limit(50, "budget", "bud", risk.weight_share, palette),
    ]
    if risk.refusals:
        parts.append(_plain(75, "refused", str(risk.refusals), palette, palette.warn))
    if risk.self_trades_prevented:
        parts.append(_self_trades(risk, palette))
    parts.append(_round_trip(risk, palette))
    if math.isfinite(risk.clock_offset_ms):
        off = palette.hot if abs(risk.clock_offset_ms) >= _FAR_CLOCK_MS else palette.text
        weight = 80 if abs(risk.clock_offset_ms) >= _FAR_CLOCK_MS else 44
        parts.append(_plain(weight, "clk", offset(risk.clock_offset_ms), palette, off))
    if risk.tick_to_order_p99_us > 0:
        text = f"{microseconds(risk.tick_to_order_p99_us)}"
        parts.append(_plain(35, "t→o p99", text, palette))
    parts.append(_sockets(risk, palette))
    gaps = palette.warn if risk.gaps else palette.text
    parts.append(_plain(45, "gaps", str(risk.gaps), palette, gaps))
    if not math.isnan(risk.feed_age_ms):
        parts.append(_plain(42, "feed", _age(risk.feed_age_ms), palette))
    slow = palette.hot if risk.loop_lag_ms >= _SLOW_LOOP_MS else palette.text
    parts.append(_plain(40, "loop", f"{risk.loop_lag_ms:.0f}ms", palette, slow))
    return parts


def _age(age_ms: float) -> str:
    """Return an age in tenths of a second: steady while all is well, honest when it is not."""
    return f"{age_ms / 1_000:.1f}s"


def _panic(frame: Frame, palette: Palette) -> list[Part]:
    """Return how far the panic path has got, and whose venue has not answered."""
    if frame.panic is None:
        return []
    hot = style(palette.hot, palette.raised, bold=True)
    accounts = frame.panic.accounts
    done = sum(1 for account in accounts if account.done)
    parts = [Part(99, (((f"disarmed {done}/{len(accounts)}", hot),),))]
    codes = account_codes(frame.accounts)
    waiting = [codes.get(account.account, "?").strip() for account in accounts if not account.done]
    if waiting:
        words = f"{' '.join(waiting)} unconfirmed"
        parts.append(Part(97, (((words, style(palette.warn, palette.raised)),), ())))
    return parts


def _left_open(frame: Frame, palette: Palette) -> list[Part]:
    """Return what is open now, of the chosen account or of all, while a kill is in force.

    ``+?`` where a venue has not yet confirmed it.
    """
    if frame.panic is None:
        return []
    risk = frame.risk
    scope = [one for one in frame.panic.accounts if risk.account in ("", one.account)]
    dim, text = style(palette.dim, palette.raised), style(palette.text, palette.raised)
    parts = []
    for label, known, told in (
        ("open orders", risk.orders_open, [one.left_orders for one in scope]),
        ("positions", len(frame.positions), [one.left_positions for one in scope]),
    ):
        value = f"{known}+?" if any(count < 0 for count in told) else str(known)
        parts.append(Part(96, (((f"{label} ", dim), (value, text)), ())))
    return parts


def _self_trades(risk: RiskPane, palette: Palette) -> Part:
    dim = style(palette.dim, palette.raised)
    count = (str(risk.self_trades_prevented), style(palette.violet, palette.raised))
    return Part(58, ((("self-trades stopped ", dim), count), (("stp ", dim), count), ()))


def _round_trip(risk: RiskPane, palette: Palette) -> Part:
    dim, text = style(palette.dim, palette.raised), style(palette.text, palette.raised)
    p50, p99 = (
        f"{value:.0f}" if math.isfinite(value) else "-"
        for value in (risk.rtt_p50_ms, risk.rtt_p99_ms)
    )
    return Part(
        60,
        (
            (("rtt p50/p99 ", dim), (f"{p50}/{p99}ms", text)),
            (("rtt ", dim), (f"{p50}ms", text)),
            (),
        ),
    )


def _sockets(risk: RiskPane, palette: Palette) -> Part:
    dots = [socket_dot(state, palette, palette.raised) for state in risk.sockets]
    label = ("ws ", style(palette.dim, palette.raised))
    up = sum(1 for state in risk.sockets if state == "up")
    colour = palette.ok if up == len(risk.sockets) else palette.hot
    count = (f"{up}/{len(risk.sockets)}", style(colour, palette.raised))
    return Part(55, ((label, *dots), (label, count), ()) if dots else ((),))
