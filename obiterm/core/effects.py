"""What a kernel step asks the engine to do. Imperative, frozen, in order."""

from __future__ import annotations

from enum import Enum

import msgspec

from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import ClientOrderId, Side, Symbol, TradingState, VenueOrderId


class Verb(Enum):
    """One chip of the order log (design/TUI.md §3)."""

    SEND = "SEND"
    ACK = "ACK"
    FILL = "FILL"
    CANCEL = "CXL"
    REJECT = "REJ"
    SIGNAL = "SIG"
    RISK = "RISK"
    GAP = "GAP"
    KILL = "KILL"
    INFO = "INFO"
    UNKNOWN = "UNK"


class Send(msgspec.Struct, frozen=True, tag=True):
    """Send an approved order. The engine journals it first."""

    order: ApprovedOrder


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Cancel one order."""

    symbol: Symbol
    client_id: ClientOrderId
    venue_id: VenueOrderId | None = None


class CancelAll(msgspec.Struct, frozen=True, tag=True):
    """Cancel every order of the account on a symbol in one request."""

    symbol: Symbol


class Query(msgspec.Struct, frozen=True, tag=True):
    """Ask the venue about one order by our id."""

    symbol: Symbol
    client_id: ClientOrderId


class Reconcile(msgspec.Struct, frozen=True, tag=True):
    """Fetch open orders, balances and fills since the last known one."""

    reason: str


class Resync(msgspec.Struct, frozen=True, tag=True):
    """Fetch a new snapshot of a book; it is stale until then."""

    symbol: Symbol
    reason: str


class Latch(msgspec.Struct, frozen=True, tag=True):
    """Write the account's trading state to disk before anything else."""

    state: TradingState
    reason: str


class Panic(msgspec.Struct, frozen=True, tag=True):
    """Run the panic path for this account."""

    flatten: bool
    who: str


class Note(msgspec.Struct, frozen=True, tag=True):
    """One line for the order log, the journal and the screen."""

    verb: Verb
    symbol: Symbol
    text: str
    at_ns: int
    side: Side | None = None
    owner: str = ""


Effect = Send | Cancel | CancelAll | Query | Reconcile | Resync | Latch | Panic | Note
