"""Positions: average price, P&L, fees in quote, in coin and elsewhere, dust, round trips."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.events import Filled
from obiterm.core.instruments import Instrument
from obiterm.core.values import ClientOrderId, MarketKind, Side, Symbol, VenueOrderId
from obiterm.trading.positions import Position

SYMBOL = Symbol("BTCUSDT")
TICK, LOT = Decimal("0.01"), Decimal("0.001")
D = Decimal


def instrument(kind: MarketKind = MarketKind.SPOT, min_notional: str = "5") -> Instrument:
    return Instrument(
        "binance", SYMBOL, kind, "BTC", "USDT", TICK, LOT, min_notional=Decimal(min_notional)
    )


class Book:
    """Makes fills with trade ids of their own and keeps the cash by the plain way."""

    def __init__(self, made_for: Instrument | None = None) -> None:
        self.position = Position(made_for or instrument())
        self.cash = D(0)
        self.coins = D(0)
        self.trade_id = 0

    def fill(
        self, side: Side, lots: int, price: str, fee: str = "0", asset: str = "USDT"
    ) -> Position:
        self.trade_id += 1
        ticks = int(D(price) / TICK)
        one = Filled(
            symbol=SYMBOL,
            client_id=ClientOrderId("c"),
            venue_id=VenueOrderId("v"),
            trade_id=self.trade_id,
            side=side,
            price_ticks=ticks,
            lots=lots,
            fee=D(fee),
            fee_asset=asset,
            is_maker=True,
            event_ns=self.trade_id,
            received_ns=self.trade_id * 10,
        )
        assert self.position.apply(one)
        assert not self.position.apply(one)  # T34: the same execution again
        with localcontext(Context(prec=99)):
            self._pay(side, lots * LOT, ticks, D(fee), asset)
        return self.position

    def _pay(self, side: Side, amount: Decimal, ticks: int, fee: Decimal, asset: str) -> None:
        if side is Side.SELL and not self.position.instrument.is_perpetual:
            own = min(amount, max(self.coins, D(0)))  # what was held before is not ours to book
            fee = fee if own == amount else (fee * own / amount).quantize(D(1).scaleb(-18))
            amount = own
        self.coins += amount * side.sign
        self.cash -= amount * side.sign * ticks * TICK
        if asset == "USDT":
            self.cash -= D(fee)
        elif asset == "BTC" and self.position.instrument.is_perpetual:
            self.cash -= D(fee) * ticks * TICK  # a perpetual's coins are not held
        elif asset == "BTC":
            self.coins -= D(fee)

    def buy(self, lots: int, price: str, fee: str = "0", asset: str = "USDT") -> Position:
        return self.fill(Side.BUY, lots, price, fee, asset)

    def sell(self, lots: int, price: str, fee: str = "0", asset: str = "USDT") -> Position:
        return self.fill(Side.SELL, lots, price, fee, asset)


def test_the_worked_fee_example_gives_9_8895() -> None:
    """SPEC §11: 300 bought and 310.5 sold at 0.1 % -> fees 0.3 + 0.3105, net 9.8895."""
    book = Book()
    book.buy(3000, "100", "0.3")
    position = book.sell(3000, "103.5", "0.3105")
    assert position.is_flat
    assert position.realised_quote == D("10.5")
    assert position.fees_quote == D("0.6105")
    assert position.results == [D("9.8895")]
    (trip,) = position.trips
    assert (trip.side, trip.lots) == (Side.BUY, 3000)
    assert (trip.entry_price, trip.exit_price) == (D(100), D("103.5"))
    assert (trip.opened_ns, trip.closed_ns) == (10, 20)
    assert (trip.gross_quote, trip.fees_quote) == (D("10.5"), D("0.6105"))


def test_average_price_and_partial_reductions() -> None:
    book = Book()
    book.buy(1000, "100")
    position = book.buy(3000, "104")
    assert (position.lots, position.average_price) == (4000, D(103))
    position = book.sell(1000, "105")
    assert (position.lots, position.average_price) == (3000, D(103))
    assert position.realised_quote == D(2)
    assert position.unrealised(10_200) == D(-3)
    assert position.opened_ns == 10
    assert position.round_trips == 0


def test_a_fee_taken_in_coin_shrinks_what_can_be_sold() -> None:
    """T24: the stop's quantity is net of the fee."""
    book = Book()
    position = book.buy(1000, "100", "0.001", "BTC")
    assert position.lots == 1000
    assert position.sellable_lots == 999
    assert position.fee_base == D("0.001")
    assert position.fees_quote == D("0.1")
    assert position.quantity == D("0.999")
    assert position.average_price == D(100)
    position = book.sell(999, "110", "0.1")
    assert position.is_flat
    assert position.quantity == 0
    assert position.results == [D("9.99") - D("0.1") - D("0.1")]


def test_a_fee_in_a_third_asset_is_kept_apart() -> None:
    book = Book()
    book.buy(1000, "100", "0.0001", "BNB")
    position = book.sell(1000, "100", "0.0002", "BNB")
    assert position.fees_other == {"BNB": D("0.0003")}
    assert position.fees_quote == 0


def test_a_rest_that_no_order_can_sell_is_dust_and_closes_the_position() -> None:
    """T21: on spot, below one lot or below the minimum notional after a reducing fill."""
    book = Book()
    book.buy(1000, "100", "0.0015", "BTC")
    position = book.sell(998, "100")
    assert position.is_flat
    assert (position.lots, position.sellable_lots) == (0, 0)
    assert position.quantity == D("0.0005")
    assert position.round_trips == 1
    book = Book()
    book.buy(1000, "100")
    position = book.sell(951, "100")  # 0.049 x 100 = 4.9 < 5
    assert position.is_flat
    assert position.unrealised(11_000) == D("0.49")


def test_a_rest_of_just_the_minimum_is_not_dust() -> None:
    book = Book()
    book.buy(1000, "100")
    position = book.sell(950, "100")
    assert not position.is_flat
    assert position.sellable_lots == 50


def test_a_small_first_fill_is_not_dust() -> None:
    book = Book()
    position = book.buy(1, "100")
    assert not position.is_flat
    assert position.lots == 1
    assert position.round_trips == 0


def test_dust_is_sold_with_the_next_round_trip() -> None:
    book = Book()
    book.buy(1000, "100")
    book.sell(960, "100")
    position = book.buy(1000, "200")
    assert position.lots == 1000
    assert position.sellable_lots == 1040
    position = book.sell(1040, "200")
    assert position.is_flat
    assert position.quantity == 0
    assert position.round_trips == 2
    assert sum(position.results) == position.realised_quote == D("4")


def test_a_late_fill_of_an_exit_belongs_to_the_trip_that_it_closed() -> None:
    book = Book()
    book.buy(1000, "100")
    book.sell(960, "100")
    position = book.sell(40, "90", "0.01")
    assert position.is_flat
    assert position.quantity == 0
    assert position.round_trips == 1
    assert position.results == [D("-0.41")]


def test_a_sale_of_spot_coins_that_were_held_before_is_no_position() -> None:
    """Neither a short, nor proceeds, nor its fee: decision 0007."""
    book = Book()
    position = book.sell(1000, "100", "0.1")
    assert (position.is_flat, position.lots, position.quantity) == (True, 0, D(0))
    assert (position.booked_quote, position.unrealised(9_000), position.trips) == (D(0), D(0), [])
    position = book.buy(500, "100")
    assert (position.lots, position.average_price) == (500, D(100))
    assert position.opened_ns == 20


def test_of_a_sale_of_more_than_was_bought_the_own_part_closes() -> None:
    book = Book()
    book.buy(400, "100")
    position = book.sell(1000, "110", "1")
    assert (position.is_flat, position.quantity) == (True, D(0))
    assert position.results == [D(4) - D("0.4")]
    (trip,) = position.trips
    assert (trip.lots, trip.exit_price) == (400, D(110))


def test_a_sale_of_a_lot_more_than_a_fee_in_coin_left_closes_to_nothing() -> None:
    book = Book()
    book.buy(1000, "100", "0.0005", "BTC")
    position = book.sell(1000, "100")
    assert (position.is_flat, position.quantity, position.round_trips) == (True, D(0), 1)


def test_a_buy_that_is_told_after_the_sale_of_its_coins_is_closed_by_it() -> None:
    """A fill that the stream lost comes from the list of trades, later and with its time."""
    book = Book()
    book.trade_id = 5
    book.sell(1000, "110")
    book.trade_id = 1
    position = book.position
    with localcontext(Context(prec=99)):
        book.buy(600, "100")
    assert (position.is_flat, position.quantity) == (True, D(0))
    assert position.results == [D(6)]
    book.trade_id = 8
    assert book.buy(100, "100").lots == 100, "a later buy is held"


def test_a_perpetual_may_turn_over_in_one_fill() -> None:
    book = Book(instrument(MarketKind.PERP))
    book.buy(1000, "100")
    position = book.sell(1500, "110", "0.2")
    assert (position.lots, position.average_price) == (-500, D(110))
    assert position.sellable_lots == 0
    assert position.results == [D("9.8")]
    assert position.opened_ns == 20
    position = book.buy(500, "100")
    assert position.results == [D("9.8"), D(5)]
    assert position.trips[1].side is Side.SELL
    assert position.trips[1].exit_price == D(100)


def test_a_perpetual_has_no_dust_by_notional() -> None:
    book = Book(instrument(MarketKind.PERP))
    book.buy(1000, "100")
    assert book.sell(999, "100").lots == 1


def test_an_inherited_position_goes_on() -> None:
    position = Position(instrument())
    position.adopt(500, 10_000, 77)
    assert (position.lots, position.sellable_lots, position.opened_ns) == (500, 500, 77)
    assert position.average_price == D(100)
    assert position.unrealised(11_000) == D(5)
    with pytest.raises(ValueError, match="cannot adopt"):
        position.adopt(1, 1, 1)
    untouched = Position(instrument())
    untouched.adopt(0, 0, 0)
    assert untouched.is_flat


# -- properties ------------------------------------------------------------------------------

FILLS = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, 5_000),
        st.integers(1, 10_000_000),
        st.integers(0, 10**9),
        st.sampled_from(["USDT", "BTC", "BNB"]),
    ),
    max_size=40,
)


@given(FILLS, st.integers(1, 10_000_000), st.sampled_from(MarketKind))
def test_the_p_and_l_identity_holds_to_the_last_digit(
    fills: list[tuple[Side, int, int, int, str]], mark_ticks: int, kind: MarketKind
) -> None:
    """realised + unrealised - fees = cash + what is held at the mark, after every fill."""
    book = Book(instrument(kind))
    for side, lots, ticks, fee_units, asset in fills:
        fee = str(D(fee_units).scaleb(-8))
        position = book.fill(side, lots, str(ticks * TICK), fee, asset)
        with localcontext(Context(prec=99)):
            result = position.realised_quote + position.unrealised(mark_ticks) - position.fees_quote
            assert result == book.cash + book.coins * mark_ticks * TICK
            assert position.quantity == book.coins


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 5_000), st.integers(1_000, 2_000)),
        max_size=40,
    ),
    st.sampled_from(MarketKind),
)
def test_what_is_shown_fits_together(fills: list[tuple[Side, int, int]], kind: MarketKind) -> None:
    book = Book(instrument(kind))
    for side, lots, ticks in fills:
        position = book.fill(side, lots, str(ticks * TICK))
        assert (position.lots == 0) == position.is_flat
        assert (position.opened_ns == 0) == position.is_flat
        assert position.round_trips == len(position.results)
        if position.is_flat:
            assert position.average_price == 0
            # Below 5 when it became dust; the price may have doubled since.
            assert abs(position.quantity) * ticks * TICK < 10
        else:
            assert position.average_price > 0
            assert kind is MarketKind.SPOT or position.lots == position.quantity / LOT


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(500, 2_000)), min_size=1, max_size=9))
def test_results_add_up_to_the_realised_total_when_flat(trips: list[tuple[int, int]]) -> None:
    book = Book()
    position = book.position
    for lots, ticks in trips:
        book.buy(lots * 100, str(ticks * TICK), "0.01")
        position = book.sell(lots * 100, str((ticks + 7) * TICK), "0.02")
    assert position.is_flat
    assert position.round_trips == len(trips)
    assert sum(position.results) == position.realised_quote - position.fees_quote
