"""What the screen and the host say to each other over the Unix socket.

Every message is a tagged msgpack map behind a four-byte big-endian length
(``link/framing.py``). The host publishes a whole ``Frame`` per paint (newest
wins: a slow reader skips frames) and ``LogLines`` that are ordered and never
dropped. Prices and sizes are ticks and lots; ``InstrumentInfo`` says how to
print them. Nothing here carries a secret.

A market is the pair ``(venue, symbol)``: two venues may both have BTCUSDT. ``venue`` is
the place where it trades as the host names it: the venue's name, with the environment
behind it where one host trades a venue in several (``bybit demo``).
"""

from __future__ import annotations

import msgspec

from obiterm.core.commands import AnyCommand
from obiterm.core.effects import Verb
from obiterm.core.values import Environment, Side, TradingState
from obiterm.link.panes import (
    AccountPane,
    Depth,
    InstrumentInfo,
    ListedMarket,
    MarketPane,
    OrderRow,
    PanicAccount,
    PanicPane,
    PositionRow,
    RiskPane,
    StrategyCard,
    TradeDot,
)

__all__ = [
    "PROTOCOL_VERSION",
    "AccountPane",
    "AccountStatus",
    "AskListings",
    "AskStatus",
    "Closing",
    "Column",
    "Depth",
    "Done",
    "Frame",
    "Hello",
    "History",
    "InstrumentInfo",
    "LeaseChanged",
    "Leave",
    "ListedMarket",
    "Listings",
    "LogLine",
    "LogLines",
    "MarketPane",
    "Markets",
    "OrderRow",
    "PanicAccount",
    "PanicPane",
    "PositionRow",
    "Request",
    "RiskPane",
    "Status",
    "StrategyCard",
    "TakeLease",
    "ToHost",
    "ToScreen",
    "TradeDot",
    "Watch",
    "Welcome",
]

PROTOCOL_VERSION = 3

# -- screen to host --------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First message of a connection.

    ``role``: ``screen`` (frames and commands), ``watch`` (frames only), ``panic``
    (commands only, no lease needed for Kill, EmergencyExit and HoldFire) or ``status``.
    """

    version: int
    role: str
    client: str
    """Who connects, for the log: ``user@tty``."""


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Choose what frames show. Empty account = all accounts together."""

    venue: str
    symbol: str
    account: str = ""


class Request(msgspec.Struct, frozen=True, tag=True):
    """Ask for a command; answered by ``Done`` with the same id."""

    request_id: int
    command: AnyCommand


class TakeLease(msgspec.Struct, frozen=True, tag=True):
    """Take control; the screen that had it goes on watching."""


class AskListings(msgspec.Struct, frozen=True, tag=True):
    """Ask for every market of every venue; ``Listings`` come until nothing is being read."""


class AskStatus(msgspec.Struct, frozen=True, tag=True):
    """Answered by ``Status``."""


class Leave(msgspec.Struct, frozen=True, tag=True):
    """A screen leaves on purpose. ``stop`` ends the host after cancelling everything."""

    stop: bool = False


ToHost = Hello | Watch | Request | TakeLease | AskListings | AskStatus | Leave

# -- host to screen --------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """Answer to ``Hello``."""

    version: int
    program: str
    """Program version of the host."""
    host_pid: int
    profile: str
    environment: Environment
    run_id: str
    instruments: list[InstrumentInfo]
    accounts: list[str]
    has_lease: bool
    on_detach: str


class Markets(msgspec.Struct, frozen=True, tag=True):
    """The instruments of ``Welcome`` anew: an account has been prepared, or lost its venue.

    Those that are only watched now are among them, with no accounts.
    """

    instruments: list[InstrumentInfo]


class Listings(msgspec.Struct, frozen=True, tag=True):
    """Every market that is known to be at the host's venues, traded by an account or not."""

    markets: list[ListedMarket]
    reading: list[str]
    """Venues that are being asked now; another message follows."""
    troubles: list[str]
    """Which venue did not tell, why, and when it is asked again."""


class Frame(msgspec.Struct, frozen=True, tag=True):
    """Everything that the screen paints, as of ``published_ns``."""

    seq: int
    published_ns: int
    market: MarketPane
    depth: Depth
    trades: list[TradeDot]
    accounts: list[AccountPane]
    positions: list[PositionRow]
    orders: list[OrderRow]
    strategies: list[StrategyCard]
    risk: RiskPane
    panic: PanicPane | None
    holding: bool
    """True while HoldFire is in force on any account."""
    has_lease: bool
    viewers: int


class LogLine(msgspec.Struct, frozen=True):
    """One line of the order log."""

    seq: int
    at_ns: int
    account: str
    verb: Verb
    venue: str
    """Empty where a line is about no market."""
    symbol: str
    text: str
    side: Side | None = None


class LogLines(msgspec.Struct, frozen=True, tag=True):
    """New lines, in order. The first ones after ``Welcome`` are the newest of the past."""

    lines: list[LogLine]


class Column(msgspec.Struct, frozen=True, array_like=True):
    """One past column of the heat map (250 ms)."""

    at_ns: int
    depth: Depth
    mid_ticks: float
    obi: float
    trades: list[TradeDot]


class History(msgspec.Struct, frozen=True, tag=True):
    """Past columns of a market, oldest first; comes in pieces after ``Welcome`` and ``Watch``."""

    venue: str
    symbol: str
    columns: list[Column]
    last: bool


class Done(msgspec.Struct, frozen=True, tag=True):
    """Result of a ``Request``."""

    request_id: int
    ok: bool
    text: str


class LeaseChanged(msgspec.Struct, frozen=True, tag=True):
    """Who holds control now."""

    has_lease: bool
    holder: str


class AccountStatus(msgspec.Struct, frozen=True):
    """One account in ``obiterm status``."""

    name: str
    venue: str
    environment: Environment
    state: TradingState
    rest: str
    open_orders: int
    positions: list[PositionRow]
    feed_age_ms: float
    trouble: str
    """Why it does not trade and what to do; empty when all is well."""
    covered: bool = False
    """Whether the watchdog acts for it when the host is lost."""
    standing: str = "READY"
    """``READY``, ``CONNECTING`` (its venue is tried again and again) or ``STOPPED`` (it waits
    for a human). Only an account that is ready trades, whatever its ``state``."""

    @property
    def word(self) -> str:
        """What it may do, in one word: ``ACTIVE`` only where it can trade now."""
        is_safe = self.state is not TradingState.ACTIVE
        return self.state.value if is_safe or self.standing == "READY" else self.standing


class Status(msgspec.Struct, frozen=True, tag=True):
    """Answer to ``AskStatus``."""

    host_pid: int
    profile: str
    uptime_s: float
    state: str
    accounts: list[AccountStatus]
    panic: PanicPane | None = None
    watchdog: str = ""
    """What the watchdog does when the host is lost, or why there is none."""
    losses: list[str] = []
    """What watchdogs did since the last clean end of a host, oldest first."""


class Closing(msgspec.Struct, frozen=True, tag=True):
    """The host ends or refuses the connection; ``reason`` is for the user."""

    reason: str


ToScreen = (
    Welcome
    | Markets
    | Listings
    | Frame
    | LogLines
    | History
    | Done
    | LeaseChanged
    | Status
    | Closing
)
