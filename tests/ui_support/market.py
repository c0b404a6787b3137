"""A seeded, made-up market that publishes frames like the host does."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import msgspec

from obiterm.core.effects import Verb
from obiterm.core.values import (
    Environment,
    MarketKind,
    OrderRole,
    OrderState,
    Side,
    TradingState,
)
from obiterm.link.messages import (
    AccountPane,
    Column,
    Depth,
    Frame,
    History,
    InstrumentInfo,
    LogLine,
    MarketPane,
    OrderRow,
    PositionRow,
    RiskPane,
    StrategyCard,
    TradeDot,
)

START_NS = 1_763_700_000_000_000_000
FRAME_NS = 100_000_000

BTC = InstrumentInfo(
    venue="bybit",
    symbol="BTCUSDT",
    kind=MarketKind.PERP,
    base="BTC",
    quote="USDT",
    tick_size="0.01",
    lot_size="0.00001",
    price_decimals=2,
    quantity_decimals=5,
    min_notional="5",
    min_lots=1,
    size_presets=[100, 500, 1000, 5000, 10_000],
    accounts=["bybit-main"],
)
SPOT = msgspec.structs.replace(
    BTC, venue="binance", kind=MarketKind.SPOT, accounts=["binance-alt"], size_presets=[100, 200]
)
"""The same symbol at another venue."""
SOL = InstrumentInfo(
    venue="backpack",
    symbol="SOL_USDC_PERP",
    kind=MarketKind.PERP,
    base="SOL",
    quote="USDC",
    tick_size="0.01",
    lot_size="0.01",
    price_decimals=2,
    quantity_decimals=2,
    min_notional="5",
    min_lots=1,
    size_presets=[100, 1000],
    accounts=["backpack-main"],
)
INFOS = [BTC, SOL, SPOT]
INSTRUMENTS = {(info.venue, info.symbol): info for info in INFOS}
ACCOUNTS = ["bybit-main", "backpack-main", "binance-alt"]


class MadeUpMarket:
    """Walks a price through a book of noise, walls and spoofers."""

    def __init__(self, seed: int = 7, *, levels: int = 400, accounts: int = 3) -> None:
        self._random = random.Random(seed)
        self._levels = levels
        self._accounts = accounts
        self._seq = 0
        self.now_ns = START_NS
        self.mid = 6_183_763.0
        self._drift = 0.0
        self._sizes: dict[int, int] = {}
        self._walls: dict[int, tuple[int, int]] = {}
        self._obi = 0.0

    def _size(self, ticks: int) -> int:
        size = self._sizes.get(ticks)
        if size is None or self._random.random() < 0.02:
            size = int(self._random.lognormvariate(7.2, 1.2)) + 20
            if self._random.random() < 0.25:
                size = 0
            self._sizes[ticks] = size
        return size

    def _move(self) -> None:
        if self._random.random() < 0.02:
            self._drift = self._random.gauss(0, 16)
        self._drift *= 0.985
        self.mid += self._drift + self._random.gauss(0, 6)
        self._obi = (
            0.93 * self._obi + 0.07 * math.tanh(self._drift / 12) + self._random.gauss(0, 0.03)
        )
        self._obi = max(-0.97, min(0.97, self._obi))
        for ticks, (_, until) in list(self._walls.items()):
            if self._seq > until:
                del self._walls[ticks]
        if len(self._walls) < 26:
            away = self._random.choice((-1, 1)) * (60 + abs(self._random.gauss(0, 1600)))
            ticks = round((self.mid + away) / 100) * 100
            size = int(self._random.lognormvariate(11.2, 0.7))
            self._walls[ticks] = (size, self._seq + int(self._random.expovariate(1 / 150)) + 10)

    def _depth(self) -> Depth:
        bid, ask = int(self.mid), int(self.mid) + 1
        sides: list[tuple[list[int], list[int]]] = []
        for start, sign in ((bid, -1), (ask, 1)):
            prices: list[int] = []
            lots: list[int] = []
            for level in range(self._levels):
                ticks = start + sign * (level if level < 3 else level * 15)
                grid = ticks // 10 * 10 if level >= 3 else ticks
                size = self._size(grid)
                if size and (not prices or (grid - prices[-1]) * sign > 0):
                    prices.append(grid)
                    lots.append(size)
            walls = {t: s for t, (s, _) in self._walls.items() if (t - start) * sign > 0}
            book = dict(zip(prices, lots, strict=True))
            for ticks, size in walls.items():
                book[ticks] = book.get(ticks, 0) + size
            ordered = sorted(book, reverse=sign < 0)
            sides.append((ordered, [book[ticks] for ticks in ordered]))
        (bid_ticks, bid_lots), (ask_ticks, ask_lots) = sides
        return Depth(bid_ticks, bid_lots, ask_ticks, ask_lots)

    def _trades(self) -> list[TradeDot]:
        dots = []
        for _ in range(self._random.choice((0, 0, 1, 2, 4))):
            side = self._random.choice((Side.BUY, Side.SELL))
            away = int(abs(self._random.gauss(0, 60))) * side.sign
            dots.append(
                TradeDot(int(self.mid) + away, int(self._random.lognormvariate(6, 1.6)) + 1, side)
            )
        return dots

    def frame(self) -> Frame:
        """Move on by 100 ms and publish."""
        self._seq += 1
        self.now_ns += FRAME_NS
        self._move()
        depth = self._depth()
        return Frame(
            seq=self._seq,
            published_ns=self.now_ns,
            market=self._market(depth),
            depth=depth,
            trades=self._trades(),
            accounts=self._account_panes(),
            positions=self._positions(depth),
            orders=self._orders(depth),
            strategies=self._strategies(),
            risk=self._risk(),
            panic=None,
            holding=False,
            has_lease=True,
            viewers=1,
        )

    def _market(self, depth: Depth) -> MarketPane:
        wall_lots, wall_ticks = max(
            (lots, ticks)
            for ticks, lots in zip(
                depth.bid_ticks + depth.ask_ticks, depth.bid_lots + depth.ask_lots, strict=True
            )
        )
        spread = depth.ask_ticks[0] - depth.bid_ticks[0]
        bias = "LONG BIAS" if self._obi > 0.25 else "SHORT BIAS" if self._obi < -0.25 else "FLAT"
        return MarketPane(
            venue="bybit",
            symbol="BTCUSDT",
            bid_ticks=depth.bid_ticks[0],
            bid_lots=depth.bid_lots[0],
            ask_ticks=depth.ask_ticks[0],
            ask_lots=depth.ask_lots[0],
            last_ticks=int(self.mid),
            last_up=self._drift >= 0,
            change_pct=2.14 + self._drift / 100,
            obi=self._obi,
            obi_levels=20,
            micro_ticks=self.mid + self._obi,
            spread_ticks=spread,
            spread_bps=spread / self.mid * 1e4,
            flow=max(-1.0, min(1.0, self._drift / 24)),
            atr_ticks=2100.0,
            volume_quote=1_920_345.0 + 411.0 * self._seq,
            wall_ticks=wall_ticks,
            wall_lots=wall_lots,
            bias=bias,
            feed_age_ms=12.0,
            stale=False,
            crossed=False,
            synced=True,
            mark_ticks=int(self.mid) + 41,
            funding_rate=0.000041,
            next_funding_ns=START_NS + 11_525_000_000_000,
        )

    def _account_panes(self) -> list[AccountPane]:
        rows = [
            ("bybit-main", "bybit", Environment.LIVE, True, "up", 11.2, 12_431.20, 184.35),
            ("backpack-main", "backpack", Environment.LIVE, True, "up", 38.0, 50_000.00, 12.08),
            ("binance-alt", "binance", Environment.DEMO, False, "partial", 412.0, 3_204.77, -21.40),
        ]
        return [
            AccountPane(
                name=name,
                venue=venue,
                environment=env,
                state=TradingState.ACTIVE,
                armed=armed,
                holding=False,
                prepared=True,
                link=link,
                round_trip_ms=rtt,
                equity_quote=equity,
                day_pnl_quote=pnl,
                note="",
                weight_share=0.18,
                clock_offset_ms=-3.0,
                differences=[],
                self_trades_prevented=0,
            )
            for name, venue, env, armed, link, rtt, equity, pnl in rows[: self._accounts]
        ]

    def _positions(self, depth: Depth) -> list[PositionRow]:
        mark = int(self.mid)
        pnl = (mark - 6_181_200) * 0.04214 / 100
        long = PositionRow(
            account="bybit-main",
            venue="bybit",
            symbol="BTCUSDT",
            side=Side.BUY,
            lots=4214,
            quantity="0.04214 BTC",
            entry_price="61812.00",
            mark_ticks=mark,
            unrealised_quote=pnl,
            unrealised_pct=pnl / 26.0,
            realised_quote=18.2,
            fees_quote=3.12,
            owner="obi-surf",
            stop_ticks=6_150_000,
            unprotected_ms=0.0,
            liquidation_ticks=5_231_000,
            leverage=4.2,
        )
        short = msgspec.structs.replace(
            long,
            account="backpack-main",
            venue="backpack",
            symbol="SOL_USDC_PERP",
            side=Side.SELL,
            lots=4250,
            entry_price="147.61",
            mark_ticks=14_828,
            unrealised_quote=-28.48,
            unrealised_pct=-0.45,
            stop_ticks=0,
            unprotected_ms=412.0,
            liquidation_ticks=19_210,
            leverage=0.6,
        )
        spot = msgspec.structs.replace(
            long,
            account="binance-alt",
            venue="binance",
            lots=1200,
            liquidation_ticks=0,
            leverage=math.nan,
            unrealised_quote=-11.84,
            unrealised_pct=-0.31,
        )
        return [long, short, spot][: self._accounts]

    def _orders(self, depth: Depth) -> list[OrderRow]:
        base = int(self.mid) // 1_000 * 1_000
        rows = [
            ("e1", Side.BUY, 820, base - 900, 0, OrderRole.ENTRY, True, 2_000.0),
            ("e2", Side.BUY, 836, base - 400, 0, OrderRole.ENTRY, True, 2_400.0),
            ("t1", Side.SELL, 4214, base + 2200, 0, OrderRole.TAKE_PROFIT, False, 251_000.0),
            ("s1", Side.SELL, 4214, 0, 6_150_000, OrderRole.STOP, False, 251_300.0),
            ("m1", Side.SELL, 500, base + 2900, 0, OrderRole.MANUAL, True, 38_000.0),
        ]
        made = [
            OrderRow(
                account="bybit-main",
                venue="bybit",
                symbol="BTCUSDT",
                client_id=client_id,
                side=side,
                lots=lots,
                filled_lots=0,
                price_ticks=price,
                trigger_ticks=trigger,
                role=role,
                state=OrderState.OPEN,
                owner="surf",
                post_only=post_only,
                age_ms=age,
            )
            for client_id, side, lots, price, trigger, role, post_only, age in rows
        ]
        sol = msgspec.structs.replace(
            made[0],
            account="backpack-main",
            venue="backpack",
            symbol="SOL_USDC_PERP",
            client_id="p1",
            lots=820,
            price_ticks=14_831,
        )
        spot = msgspec.structs.replace(
            made[4], account="binance-alt", venue="binance", client_id="b1"
        )
        return [*made, sol, spot] if self._accounts > 2 else made

    def _strategies(self) -> list[StrategyCard]:
        walk, equity = random.Random(3), [0.0]
        for _ in range(40):
            equity.append(equity[-1] + walk.gauss(3.6, 7))
        return [
            StrategyCard(
                account="bybit-main",
                venue="bybit",
                symbol="BTCUSDT",
                name="obi-surf",
                kind="surf",
                running=True,
                reason="holding long, guard at -0.25",
                signal=self._obi,
                enter_at=0.40,
                exit_at=-0.25,
                position_share=0.78,
                realised_quote=184.35,
                round_trips=41,
                wins=29,
                equity=equity,
                lines=[
                    ("entry", "61,812.00 join -1 tick"),
                    ("stop", "61,500.00 resting 4:11"),
                    ("trail", "0.35 % from 61,902.14"),
                    ("target", "62,180.00"),
                    ("unprotected", "max 38 ms"),
                ],
            )
        ]

    def _risk(self) -> RiskPane:
        return RiskPane(
            account="",
            armed=2,
            accounts=3,
            day_loss_share=0.24,
            exposure_share=0.61,
            orders_open=9,
            orders_limit=40,
            weight_share=0.18,
            clock_offset_ms=-3.0,
            rtt_p50_ms=11.0,
            rtt_p99_ms=46.0,
            tick_to_order_p50_us=410.0,
            tick_to_order_p99_us=1_900.0,
            sockets=["up", "up", "stale"],
            gaps=1,
            loop_lag_ms=2.0,
            feed_age_ms=12.0,
            stops_resting=3,
            stops_needed=3,
            fees_quote=3.12,
            funding_quote=-0.12,
            journal_rows=5123,
            refusals=0,
            self_trades_prevented=2,
        )

    def history(self, columns: int) -> History:
        """Return past columns and move on to their end."""
        made: list[Column] = []
        trades: list[TradeDot] = []
        slot = -1
        while len(made) < columns:
            frame = self.frame()
            trades += frame.trades
            if frame.published_ns // 250_000_000 == slot:
                continue
            slot = frame.published_ns // 250_000_000
            made.append(Column(frame.published_ns, frame.depth, self.mid, frame.market.obi, trades))
            trades = []
        return History("bybit", "BTCUSDT", made, True)


def log_lines() -> list[LogLine]:
    """Return a made-up order log, oldest first."""
    rows: list[tuple[float, Verb, Side | None, str]] = [
        (21.6, Verb.INFO, None, "attached, recovery found 0 orders"),
        (16.7, Verb.RISK, None, "order refused: max_position 78% of cap"),
        (14.3, Verb.GAP, None, "book resync 142 ms"),
        (10.1, Verb.REJECT, Side.BUY, "-2010 Order would immediately match and take."),
        (8.0, Verb.SIGNAL, None, "OBI +0.43 > 0.40"),
        (7.2, Verb.SEND, Side.SELL, "0.04214 @ 61,850.00"),
        (7.1, Verb.ACK, Side.SELL, "0.04214 @ 61,850.00 11ms"),
        (5.0, Verb.CANCEL, Side.SELL, "0.04214 @ 61,850.00"),
        (3.7, Verb.SEND, Side.BUY, "0.04214 @ 61,831.20"),
        (3.6, Verb.ACK, Side.BUY, "0.04214 @ 61,831.20 9ms"),
        (0.4, Verb.FILL, Side.BUY, "0.04214 @ 61,831.20"),
        (0.2, Verb.UNKNOWN, Side.SELL, "stop 61,500.00: no reply, asking"),
        (0.1, Verb.FILL, Side.SELL, "0.00836 @ 61,850.00"),
    ]
    lines = [
        LogLine(
            number, START_NS - int(ago * 1e9), "bybit-main", verb, "bybit", "BTCUSDT", text, side
        )
        for number, (ago, verb, side, text) in enumerate(rows, 1)
    ]
    lines[4] = msgspec.structs.replace(
        lines[4], account="backpack-main", venue="backpack", symbol="SOL_USDC_PERP"
    )
    lines[-1] = msgspec.structs.replace(lines[-1], account="binance-alt", venue="binance")
    return lines


def frames(count: int, seed: int = 7) -> Iterator[Frame]:
    """Yield frames of one market."""
    market = MadeUpMarket(seed)
    for _ in range(count):
        yield market.frame()
