"""The life of an order: which state may follow which, and one tracked order.

Reports reach us out of order and more than once: by reply, by stream and by query.
So a change is one of three things: allowed; old news, which is ignored; or
impossible, which is a fault in this program.
"""

from __future__ import annotations

from obiterm.core.errors import DataError
from obiterm.core.orders import OrderIntent
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    ClosedSet,
    OrderState,
    RefusalKind,
    VenueOrderId,
)

CANCEL_ANSWER_NS = NS_PER_S
"""An order that is told to rest this long after its cancel left was not cancelled; a report
from before that is the answer to an earlier request that the cancel overtook."""


class ImpossibleChange(DataError):
    """An order was told something that cannot be."""

    title = "order state"


class Change(ClosedSet):
    """What a new state means for an old one."""

    ALLOWED = "ALLOWED"
    OLD = "OLD"
    """A report from before: ignored."""
    IMPOSSIBLE = "IMPOSSIBLE"


_S = OrderState
_AFTER_SEND = frozenset(
    {
        _S.OPEN,
        _S.PARTIAL,
        _S.CANCELLING,
        _S.UNKNOWN,
        _S.FILLED,
        _S.CANCELLED,
        _S.REJECTED,
        _S.EXPIRED,
    }
)
_LATE = frozenset({_S.FILLED, _S.UNKNOWN})
"""After an end that was not a fill: a late fill wins, and a venue that contradicts is asked."""

ALLOWED: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENDED: (_AFTER_SEND | {_S.SENT}) - {_S.CANCELLING},
    _S.SENT: _AFTER_SEND,
    _S.OPEN: _AFTER_SEND - {_S.OPEN},
    _S.PARTIAL: _AFTER_SEND - {_S.OPEN, _S.PARTIAL},
    _S.CANCELLING: _AFTER_SEND - {_S.CANCELLING},
    _S.UNKNOWN: (_AFTER_SEND | {_S.SENT}) - {_S.UNKNOWN},
    _S.FILLED: frozenset(),
    _S.CANCELLED: _LATE,
    _S.REJECTED: _LATE,
    _S.EXPIRED: _LATE,
}
"""The states that may follow each state."""


def judge(state: OrderState, following: OrderState) -> Change:
    """Return what ``following`` means for an order in ``state``.

    Nothing goes back to INTENDED, and what was not sent cannot be cancelled at the venue.
    """
    if following in ALLOWED[state]:
        return Change.ALLOWED
    if following is _S.INTENDED or (state is _S.INTENDED and following is _S.CANCELLING):
        return Change.IMPOSSIBLE
    return Change.OLD


class TrackedOrder:
    """One of our orders as far as we know it. Changed only by ``advance``.

    Attributes:
        filled_lots: what the venue told as filled; never shrinks.
        sent_ns: when it left; 0 before.
        updated_ns: when its last news came.
        cancel_sent_ns: when its last cancel left; 0 if none did.
        code: the venue's code of its end, if it gave one.
        text: the venue's words.
        refusal: why it was refused, if it was.
    """

    __slots__ = (
        "cancel_sent_ns",
        "code",
        "filled_lots",
        "intent",
        "refusal",
        "sent_ns",
        "state",
        "text",
        "updated_ns",
        "venue_id",
    )

    def __init__(self, intent: OrderIntent, state: OrderState = OrderState.INTENDED) -> None:
        self.intent = intent
        self.state = state
        self.venue_id: VenueOrderId | None = None
        self.filled_lots = 0
        self.sent_ns = 0
        self.updated_ns = 0
        self.cancel_sent_ns = 0
        self.code = ""
        self.text = ""
        self.refusal = RefusalKind.ORDER

    def __repr__(self) -> str:
        return (
            f"TrackedOrder({self.intent.client_id} {self.state.value} "
            f"{self.filled_lots}/{self.intent.lots})"
        )

    @property
    def client_id(self) -> ClientOrderId:
        """Our id of the order."""
        return self.intent.client_id

    @property
    def lots_left(self) -> int:
        """What may still fill."""
        return self.intent.lots - self.filled_lots

    def advance(
        self,
        following: OrderState,
        now_ns: int,
        *,
        venue_id: VenueOrderId | None = None,
        filled_lots: int | None = None,
        code: str = "",
        text: str = "",
        refusal: RefusalKind = RefusalKind.ORDER,
    ) -> bool:
        """Take news of the order; return False when it was old and nothing changed.

        ``filled_lots`` is the venue's running total. A larger total is news in every state,
        also after the end. Raises ``ImpossibleChange`` for a total below 0, for one above
        the size of an order that has not ended, and for a state that cannot follow.
        """
        filled = self._checked_fill(following, filled_lots)
        change = judge(self.state, following)
        if change is Change.IMPOSSIBLE:
            raise ImpossibleChange(f"{self!r} cannot become {following.value}")
        moved = change is Change.ALLOWED and not self._is_overtaken(following, now_ns)
        news = moved or filled > self.filled_lots
        self.filled_lots = filled
        if venue_id is not None and self.venue_id is None:
            self.venue_id = venue_id
            news = True
        if moved:
            self.state = following
            self.code = code or self.code
            self.text = text or self.text
            self.refusal = refusal
        if self.state is OrderState.OPEN and self.filled_lots:
            self.state = OrderState.PARTIAL
        if following is OrderState.CANCELLING and not self.state.is_final:
            self.cancel_sent_ns = now_ns
            news = True
        if following is OrderState.SENT and moved:
            self.sent_ns = now_ns
        if news:
            self.updated_ns = now_ns
        return news

    def _is_overtaken(self, following: OrderState, now_ns: int) -> bool:
        """Return whether a report of resting is older than the cancel that is on the wire."""
        return (
            self.state is OrderState.CANCELLING
            and following in (OrderState.OPEN, OrderState.PARTIAL)
            and now_ns - self.cancel_sent_ns < CANCEL_ANSWER_NS
        )

    def _checked_fill(self, following: OrderState, filled_lots: int | None) -> int:
        if filled_lots is None:
            filled_lots = self.intent.lots if following is OrderState.FILLED else 0
        too_much = filled_lots > self.intent.lots and not self.state.is_final
        if filled_lots < 0 or too_much:
            raise ImpossibleChange(f"{self!r} cannot have {filled_lots} lots filled")
        return max(self.filled_lots, filled_lots)
