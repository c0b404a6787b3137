"""The parts of what the screen paints: instruments, market, accounts, rows, risk, panic.

They travel inside the messages of ``messages.py``; a market is ``(venue, symbol)`` as told
there. Prices and sizes are ticks and lots; a float that is not known is ``nan``.
"""

from __future__ import annotations

import msgspec

from obiterm.core.values import Environment, MarketKind, OrderRole, OrderState, Side, TradingState


class InstrumentInfo(msgspec.Struct, frozen=True):
    """How to print and bound one market, and who trades it."""

    venue: str
    symbol: str
    kind: MarketKind
    base: str
    quote: str
    tick_size: str
    lot_size: str
    price_decimals: int
    quantity_decimals: int
    min_notional: str
    min_lots: int
    size_presets: list[int]
    """Order sizes of the profile in lots of this market, for keys and clicks."""
    accounts: list[str]
    """Accounts that trade it, in the order of the profile; none: it can only be watched."""


class ListedMarket(msgspec.Struct, frozen=True, array_like=True):
    """One market of a venue's listing, as the picker shows it."""

    venue: str
    symbol: str
    kind: MarketKind
    base: str
    quote: str
    accounts: list[str]
    """Accounts of the profile that trade it, prepared or not."""


class MarketPane(msgspec.Struct, frozen=True):
    """Numbers of the chosen market. A float that is not known is ``nan``."""

    venue: str
    symbol: str
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    last_ticks: int
    last_up: bool
    change_pct: float
    """Against the open of the oldest candle known, at most 24 h."""
    obi: float
    obi_levels: int
    micro_ticks: float
    spread_ticks: int
    spread_bps: float
    flow: float
    """Trade-flow imbalance of the last seconds, -1 … 1."""
    atr_ticks: float
    volume_quote: float
    """Traded quote volume since start, at most 24 h."""
    wall_ticks: int
    """Price of the largest visible level; 0 = none."""
    wall_lots: int
    bias: str
    """LONG BIAS, SHORT BIAS or FLAT."""
    feed_age_ms: float
    stale: bool
    crossed: bool
    synced: bool
    mark_ticks: int
    """The venue's mark price of a perpetual; 0 on spot and while it is not known."""
    funding_rate: float
    """Fraction of the notional for the coming interval; positive: longs pay."""
    next_funding_ns: int
    """Unix time of the next payment; 0 = not known."""
    watch_only: bool = False
    """True where no account of the profile trades it: the host shows it and no more."""
    trouble: str = ""
    """Why a market that is only watched shows nothing; empty when all is well."""


class Depth(msgspec.Struct, frozen=True):
    """The book as two pairs of parallel lists, best price first."""

    bid_ticks: list[int]
    bid_lots: list[int]
    ask_ticks: list[int]
    ask_lots: list[int]


class TradeDot(msgspec.Struct, frozen=True, array_like=True):
    """A print since the last frame (merged per price and side)."""

    ticks: int
    lots: int
    side: Side


class AccountPane(msgspec.Struct, frozen=True):
    """One account chip."""

    name: str
    venue: str
    environment: Environment
    state: TradingState
    armed: bool
    holding: bool
    """True while HoldFire is in force."""
    prepared: bool
    """False until the venue has answered all that trading needs; figures are ``nan`` then."""
    link: str
    """``up``, ``partial`` or ``down``."""
    round_trip_ms: float
    equity_quote: float
    """Balances valued at the last price, in quote."""
    day_pnl_quote: float
    note: str
    """Why the account is not trading and what to do; empty when all is well."""
    weight_share: float
    """Used part of its fullest rate budget, 0 … 1."""
    clock_offset_ms: float
    """The venue's clock minus ours."""
    differences: list[str]
    """Where the venue's positions are not the sum of our fills, in words."""
    self_trades_prevented: int
    """Orders that were not sent because they would have met an own one."""


class PositionRow(msgspec.Struct, frozen=True):
    """A position made by our own fills."""

    account: str
    venue: str
    symbol: str
    side: Side
    lots: int
    quantity: str
    """The same in base."""
    entry_price: str
    mark_ticks: int
    unrealised_quote: float
    unrealised_pct: float
    realised_quote: float
    fees_quote: float
    owner: str
    """Strategy instance whose fills made it, or ``manual``."""
    stop_ticks: int
    """Trigger of the stop that rests at the venue; 0 = unprotected."""
    unprotected_ms: float
    liquidation_ticks: int
    """The venue's liquidation price of the whole position; 0 = none or not known."""
    leverage: float
    """Notional of the whole position over the account's equity; ``nan`` on spot."""


class OrderRow(msgspec.Struct, frozen=True):
    """An order that is not final."""

    account: str
    venue: str
    symbol: str
    client_id: str
    side: Side
    lots: int
    filled_lots: int
    price_ticks: int
    trigger_ticks: int
    role: OrderRole
    state: OrderState
    owner: str
    post_only: bool
    age_ms: float


class StrategyCard(msgspec.Struct, frozen=True):
    """What a strategy instance thinks and has done."""

    account: str
    venue: str
    symbol: str
    name: str
    kind: str
    running: bool
    reason: str
    """Why it does what it does now, in one line."""
    signal: float
    enter_at: float
    exit_at: float
    position_share: float
    """Used part of its largest position, 0 … 1."""
    realised_quote: float
    round_trips: int
    wins: int
    equity: list[float]
    """Realised result after each round trip, oldest first, at most 60."""
    lines: list[tuple[str, str]]
    """More ``(label, value)`` pairs to show."""


class RiskPane(msgspec.Struct, frozen=True):
    """The risk bar. Shares are 0 … 1.

    Figures are those of the chosen account, or with all together the sum where they are
    counts and the worst where they are shares, times and offsets. ``armed`` and
    ``accounts`` count every account of the host.
    """

    account: str
    """Whose figures these are; empty = all accounts."""
    armed: int
    accounts: int
    day_loss_share: float
    exposure_share: float
    orders_open: int
    orders_limit: int
    weight_share: float
    """Used part of the fullest rate budget."""
    clock_offset_ms: float
    """The venue's clock minus ours, the one that is furthest off."""
    rtt_p50_ms: float
    rtt_p99_ms: float
    tick_to_order_p50_us: float
    tick_to_order_p99_us: float
    sockets: list[str]
    """``up``, ``stale`` or ``down`` for each socket."""
    gaps: int
    loop_lag_ms: float
    feed_age_ms: float
    stops_resting: int
    stops_needed: int
    fees_quote: float
    funding_quote: float
    """Funding received; negative was paid."""
    journal_rows: int
    refusals: int
    """Orders that the risk gate refused."""
    self_trades_prevented: int
    """Orders that were not sent because they would have met an own one."""


class PanicAccount(msgspec.Struct, frozen=True):
    """How far the panic path has got on one account."""

    account: str
    done: bool
    cancelled: int
    left_orders: int
    """Orders still open at the venue; -1 = not confirmed yet."""
    left_positions: int
    """Positions still open; -1 = not confirmed yet."""
    attempt: int
    elapsed_ms: float
    text: str


class PanicPane(msgspec.Struct, frozen=True):
    """State of a kill or an emergency exit, from the first key until re-armed."""

    flatten: bool
    who: str
    started_ns: int
    accounts: list[PanicAccount]
