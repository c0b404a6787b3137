"""surf: ride order-book imbalance, always with a stop at the venue (SPEC §5, R101 R106–R109).

Flat: OBI above ``enter_obi`` opens by a post-only limit order that follows the touch;
the entry stays while OBI holds and is withdrawn when it fades, times out or the book
cannot be trusted. In a position: a stop-market rests at the venue at once and trails the
best price; the anti-reversal guard, the target, the trail and the longest holding time
lead to an exit at market, which then stays wished until flat.
"""

from __future__ import annotations

from math import ceil, floor
from typing import ClassVar

from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, NS_PER_S, MarketKind, OrderKind, OrderRole, Side
from obiterm.strategies.base import Decision, MarketView, Report, View, Wish
from obiterm.strategies.surf_parameters import SurfParameters

_BPS = 10_000.0
_TINY = 1e-6
"""Ticks by which a float threshold may be missed by rounding alone."""


class _Entry:
    """An entry under way."""

    __slots__ = ("price_ticks", "side", "since_ns", "target_lots")

    def __init__(self, side: Side, target_lots: int, since_ns: int) -> None:
        self.side = side
        self.target_lots = target_lots
        self.since_ns = since_ns
        self.price_ticks = 0


class Surf:
    """One running instance of ``surf``."""

    kind: ClassVar[str] = "surf"

    def __init__(self, parameters: SurfParameters, instrument: Instrument) -> None:
        """Raise ``ConfigError`` when the instrument cannot trade what is asked for."""
        p = self.parameters = parameters
        self.obi_levels = p.obi_levels
        self._spot = instrument.kind is MarketKind.SPOT
        p.check_kind(instrument.kind)
        self._may_buy = p.direction in ("long", "both")
        self._may_sell = p.direction in ("short", "both")
        self._fixed_lots = instrument.lots_down(p.quantity)
        if p.quantity and self._fixed_lots < instrument.min_lots:
            least = instrument.quantity(instrument.min_lots)
            raise ConfigError("quantity", p.quantity, f"at least {least:f} {instrument.base}")
        self._stop = float(p.stop_bps) / _BPS
        self._target = float(p.take_profit_bps) / _BPS
        self._trail_start = float(p.trail_start_bps) / _BPS
        self._trail = float(p.trail_bps) / _BPS
        self._trail_step = float(p.trail_step_bps) / _BPS
        self._min_atr = float(p.min_atr_bps) / _BPS
        self._max_atr = float(p.max_atr_bps) / _BPS
        self._confirm_ns = p.confirm_ms * NS_PER_MS
        self._grace_ns = p.stop_grace_ms * NS_PER_MS
        self._timeout_ns = p.entry_timeout_ms * NS_PER_MS
        self._max_hold_ns = p.max_hold_s * NS_PER_S
        self._cooldown_ns = p.cooldown_ms * NS_PER_MS
        self._entry: _Entry | None = None
        self._quiet_until_ns = 0
        self._begin_flat()

    def _begin_flat(self) -> None:
        self._open = False
        self._exit = ""
        self._peak_ticks = 0
        self._against_ns = 0
        self._against_update = -1
        self._beyond_stop_ns = 0

    # -- deciding -----------------------------------------------------------------------

    def decide(self, view: View) -> Decision:
        """Return what should rest at the venue now."""
        position = view.position
        if not position.lots:
            if self._open:
                self._begin_flat()
                self._entry = None
                self._quiet_until_ns = view.now_ns + self._cooldown_ns
            return self._look(view)
        stop_ticks = self._stop_ticks(view)
        lots = position.sellable_lots
        if self._is_too_small(view, lots, stop_ticks):
            if self._exit:
                self._begin_flat()
                self._quiet_until_ns = view.now_ns + self._cooldown_ns
            return self._look(view)
        return self._ride(view, lots, stop_ticks)

    def _is_too_small(self, view: View, lots: int, stop_ticks: int) -> bool:
        """Return whether the venue would refuse a stop or an exit of what is held."""
        if lots < view.instrument.min_lots:
            return True
        ticks = view.market.bid_ticks if self._exit else stop_ticks
        return self._spot and view.instrument.notional(ticks, lots) < view.instrument.min_notional

    # -- flat ---------------------------------------------------------------------------

    def _look(self, view: View) -> Decision:
        """Wait for a signal, or keep an entry alive."""
        if not view.market.tradable:
            self._entry = None
            return Decision((), "waiting: the book cannot be traded on")
        signal = ""
        if self._entry is None:
            if view.now_ns < self._quiet_until_ns:
                left_s = (self._quiet_until_ns - view.now_ns) / NS_PER_S
                return Decision((), f"cooling down {left_s:.1f} s")
            started = self._start_entry(view)
            if isinstance(started, str):
                return Decision((), started)
            self._entry = started
            word = "buy" if started.side is Side.BUY else "sell"
            signal = f"OBI {view.market.obi:+.3f} beyond {self.parameters.enter_obi:g}: {word}"
        wish, reason = self._entry_wish(self._entry, view)
        return Decision((wish,) if wish else (), reason, signal)

    def _start_entry(self, view: View) -> _Entry | str:
        """Return a new entry when there is a signal, else why not."""
        obi, enter = view.market.obi, self.parameters.enter_obi
        if obi > enter and self._may_buy:
            side = Side.BUY
        elif obi < -enter and self._may_sell:
            side = Side.SELL
        else:
            return f"OBI {obi:+.3f}: waiting for {enter:g}"
        held = view.position.lots * side.sign
        if held < 0:
            return "waiting: a small rest of the other side is held"
        unhealthy = self._unhealthy(view.market)
        if unhealthy:
            return unhealthy
        lots = self._entry_lots(view, side)
        if not lots:
            return "waiting: the size is below the venue's minimum"
        return _Entry(side, held + lots, view.now_ns)

    def _unhealthy(self, market: MarketView) -> str:
        """Return why the range of the market forbids an entry (Q20)."""
        if not self._min_atr and not self._max_atr:
            return ""
        share = market.atr_ticks / market.bid_ticks
        if not share >= self._min_atr:  # also when it is not known yet
            return "waiting: average true range too small or not known"
        if self._max_atr and share > self._max_atr:
            return "waiting: average true range too large"
        return ""

    def _entry_lots(self, view: View, side: Side) -> int:
        """Return the size of an entry that can be protected and sold again; else 0."""
        instrument, market = view.instrument, view.market
        touch = market.bid_ticks if side is Side.BUY else market.ask_ticks
        lots = self._fixed_lots
        if not lots:
            budget = view.available_quote * self.parameters.share_of_balance
            lots = int(budget / instrument.notional(touch, 1))
        lots = min(lots, instrument.max_lots)
        fee = max(instrument.maker_fee, instrument.taker_fee)
        kept = int(lots * (1 - fee)) if self._spot else lots
        worst = instrument.notional(int(touch * (1 - self._stop)), kept)
        if kept < instrument.min_lots or worst < instrument.min_notional:
            return 0
        return lots

    def _entry_wish(self, entry: _Entry, view: View) -> tuple[Wish | None, str]:
        """Return what is left of the entry and the reason; drop an entry that is over."""
        market = view.market
        obi = market.obi * entry.side.sign
        if obi < self.parameters.hold_obi:
            self._entry = None
            return None, f"entry withdrawn: OBI {market.obi:+.3f} does not hold"
        if self._timeout_ns and view.now_ns - entry.since_ns >= self._timeout_ns:
            self._entry = None
            self._quiet_until_ns = view.now_ns + self._cooldown_ns
            return None, "entry withdrawn: not filled in time"
        left = entry.target_lots - abs(view.position.lots)
        if left <= 0:
            self._entry = None
            return None, "entry filled"
        entry.price_ticks = self._entry_price(market, entry, left)
        wish = Wish(
            tag="entry",
            side=entry.side,
            kind=OrderKind.LIMIT,
            lots=left,
            role=OrderRole.ENTRY,
            price_ticks=entry.price_ticks,
            post_only=True,
            tolerance_ticks=self.parameters.reprice_ticks,
        )
        return wish, "entering"

    def _entry_price(self, market: MarketView, entry: _Entry, left: int) -> int:
        """Return the limit price: best plus offset, never crossing, not chasing ourselves."""
        p = self.parameters
        if entry.side is Side.BUY:
            best, best_lots = market.bid_ticks, market.bid_lots
            price = max(1, min(best + p.offset_ticks, market.ask_ticks - 1))
            passive = entry.price_ticks < market.ask_ticks
        else:
            best, best_lots = market.ask_ticks, market.ask_lots
            price = max(best - p.offset_ticks, market.bid_ticks + 1)
            passive = entry.price_ticks > market.bid_ticks
        if not entry.price_ticks or not passive:
            return price
        alone = entry.price_ticks == best and (p.offset_ticks >= 0 or best_lots <= left)
        if alone or abs(price - entry.price_ticks) <= p.reprice_ticks:
            return entry.price_ticks
        return price

    # -- in a position ------------------------------------------------------------------

    def _ride(self, view: View, lots: int, stop_ticks: int) -> Decision:
        """Protect what is held, and leave when one of the exits says so."""
        signal = ""
        if not view.market.tradable:  # a confirmation must not bridge a time of no sight
            self._against_update = -1
            self._beyond_stop_ns = 0
        elif not self._exit:
            self._exit = signal = self._why_exit(view, stop_ticks)
        instrument, position = view.instrument, view.position
        side = Side.SELL if position.lots > 0 else Side.BUY
        lots = min(lots, instrument.market_max_lots)
        if self._exit:
            self._entry = None
            leave = Wish(
                tag="exit",
                side=side,
                kind=OrderKind.MARKET,
                lots=lots,
                role=OrderRole.EXIT,
                reduce_only=not self._spot,
            )
            return Decision((leave,), self._exit, signal)
        stop = Wish(
            tag="stop",
            side=side,
            kind=OrderKind.STOP_MARKET,
            lots=lots,
            role=OrderRole.STOP,
            trigger_ticks=stop_ticks,
            reduce_only=not self._spot,
            tolerance_ticks=int(stop_ticks * self._trail_step),
        )
        if self._entry is not None and view.market.tradable:
            wish, reason = self._entry_wish(self._entry, view)
            if wish is not None:
                return Decision((stop, wish), f"in position, {reason}")
        else:
            self._entry = None
        return Decision((stop,), "in position, stop at the venue")

    def _stop_ticks(self, view: View) -> int:
        """Return the stop's trigger: protective, or trailing once the profit is there."""
        position, market = view.position, view.market
        average = position.average_ticks
        sign = 1 if position.lots > 0 else -1
        if not self._open:
            self._open = True
            self._peak_ticks = round(average)
        if market.tradable:
            price = market.bid_ticks if sign > 0 else market.ask_ticks
            if (price - self._peak_ticks) * sign > 0:
                self._peak_ticks = price
        return self._trigger(average, sign, self._peak_ticks)

    def _trigger(self, average: float, sign: int, peak_ticks: int) -> int:
        trigger = average * (1 - sign * self._stop)
        if self._trails(average, sign):
            trailing = peak_ticks * (1 - sign * self._trail)
            trigger = max(trigger, trailing) if sign > 0 else min(trigger, trailing)
        return max(1, floor(trigger) if sign > 0 else ceil(trigger))

    def _trails(self, average: float, sign: int) -> bool:
        return bool(self._trail) and (
            (self._peak_ticks - average) * sign >= average * self._trail_start - _TINY
        )

    def _why_exit(self, view: View, stop_ticks: int) -> str:
        """Return the reason to leave at market, or nothing."""
        market, position, now_ns = view.market, view.position, view.now_ns
        sign = 1 if position.lots > 0 else -1
        guard = self._guard(market, sign, now_ns)
        if guard:
            return guard
        average = position.average_ticks
        price = market.bid_ticks if sign > 0 else market.ask_ticks
        gain = (price / average - 1) * sign if average else 0.0
        if self._target and (price - average) * sign >= average * self._target - _TINY:
            return f"target: {gain * _BPS:+.1f} bps"
        if (price - stop_ticks) * sign <= 0:
            if self._trails(average, sign) and stop_ticks != self._protective_ticks(average, sign):
                return f"trailing stop: {gain * _BPS:+.1f} bps"
            self._beyond_stop_ns = self._beyond_stop_ns or now_ns
            if now_ns - self._beyond_stop_ns >= self._grace_ns:
                return f"stop passed: {gain * _BPS:+.1f} bps"
        else:
            self._beyond_stop_ns = 0
        if self._max_hold_ns and now_ns - position.opened_ns >= self._max_hold_ns:
            return f"held {self.parameters.max_hold_s} s"
        return ""

    def _protective_ticks(self, average: float, sign: int) -> int:
        trigger = average * (1 - sign * self._stop)
        return floor(trigger) if sign > 0 else ceil(trigger)

    def _guard(self, market: MarketView, sign: int, now_ns: int) -> str:
        """Anti-reversal: OBI against us, confirmed by updates or by time (R102 R109 Q16)."""
        if market.obi * sign > -self.parameters.exit_obi:
            self._against_update = -1
            return ""
        if self._against_update < 0:
            self._against_update = market.depth_updates
            self._against_ns = now_ns
        updates = market.depth_updates - self._against_update + 1
        lasted_ns = now_ns - self._against_ns
        if updates >= self.parameters.confirm_updates or (
            self._confirm_ns and lasted_ns >= self._confirm_ns
        ):
            return f"guard: OBI {market.obi:+.3f} against us, {updates} updates"
        return ""

    # -- the card -----------------------------------------------------------------------

    def report(self, view: View) -> Report:
        """Return the numbers for the card."""
        p, position, instrument = self.parameters, view.position, view.instrument
        short = position.lots < 0 or not self._may_buy
        lines = [
            ("entry", f"{p.enter_obi:g} hold {p.hold_obi:g}, {p.offset_ticks:+d} ticks"),
            ("guard", f"{p.exit_obi:g}, {p.confirm_updates} updates or {p.confirm_ms} ms"),
        ]
        if position.lots:
            average = position.average_ticks
            sign = 1 if position.lots > 0 else -1
            stop = self._trigger(average, sign, self._peak_ticks or round(average))
            trails = "trailing " if self._trails(average, sign) else ""
            lines.append(("stop", f"{trails}{instrument.price(stop):f}"))
        elif self._entry is not None:
            price = instrument.price(self._entry.price_ticks)
            lines.append(("entering", f"{self._entry.side.value} {price:f}"))
        else:
            lines.append(("stop", f"{p.stop_bps:f} bps, trail {p.trail_bps:f} bps"))
        return Report(
            signal=view.market.obi,
            enter_at=-p.enter_obi if short else p.enter_obi,
            exit_at=p.exit_obi if short else -p.exit_obi,
            position_share=self._share(view),
            lines=tuple(lines),
        )

    def _share(self, view: View) -> float:
        """Return the held part of a full entry, 0 … 1."""
        held = abs(view.position.lots)
        if not held:
            return 0.0
        if self._fixed_lots:
            return min(1.0, held / self._fixed_lots)
        worth = float(view.instrument.notional(1, held)) * view.position.average_ticks
        full = (worth + float(view.available_quote)) * float(self.parameters.share_of_balance)
        return min(1.0, worth / full) if full else 1.0
