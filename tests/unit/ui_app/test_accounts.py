"""Several accounts, venues and markets: switching, and what each key then acts on."""

from __future__ import annotations

import time

import msgspec
import pytest

from obiterm.core.commands import (
    AnyCommand,
    CancelSymbol,
    ClosePosition,
    EmergencyExit,
    Kill,
    PlaceOrder,
    Rearm,
)
from obiterm.core.values import MarketKind, Side, Symbol, TradingState
from obiterm.link.messages import (
    AccountPane,
    AskListings,
    ListedMarket,
    Listings,
    Markets,
    Watch,
)
from obiterm.ui.panes import Header, Troubles
from obiterm.ui.screens.accounts import AccountsScreen
from obiterm.ui.screens.kill import KillModal
from obiterm.ui.screens.pick import PickModal
from tests.ui_support.fake_host import FakeHost
from tests.ui_support.market import ACCOUNTS, BTC, INFOS, SOL, SPOT
from tests.ui_support.picture import screen_runs
from tests.unit.ui_app.conftest import Attach, Attached, app_of, shown

HERE = Symbol("BTCUSDT")
ETH = ListedMarket("binance", "ETHUSDT", MarketKind.SPOT, "ETH", "USDT", [])


def text(pilot: Attached) -> str:
    return "\n".join("".join(run for run, _ in runs) for runs in screen_runs(pilot.app))


def notice(pilot: Attached) -> str:
    current = app_of(pilot).board.current(time.monotonic_ns())
    return current.text if current else ""


def shared_market(host: FakeHost) -> None:
    """Let two accounts trade the market that is shown."""
    both = msgspec.structs.replace(BTC, accounts=["bybit-main", "binance-alt"])
    host.infos = [both, SOL, SPOT]


def change_account(host: FakeHost, place: int, **changes: object) -> list[AccountPane]:
    """Let one account's chip say something else."""
    panes = host.frame().accounts
    panes[place] = msgspec.structs.replace(panes[place], **changes)
    host.changes["accounts"] = panes
    return panes


async def test_keys_go_round_the_accounts_with_a_market_of_theirs(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        cockpit = app_of(pilot).cockpit
        seen = []
        for key in ("right", "right", "right", "right", "left", "left", "asterisk"):
            await pilot.press(key)
            seen.append((cockpit.account, cockpit.market[0]))
        assert seen == [
            ("bybit-main", "bybit"),
            ("backpack-main", "backpack"),
            ("binance-alt", "binance"),
            ("", "binance"),
            ("binance-alt", "binance"),
            ("backpack-main", "backpack"),
            ("", "backpack"),
        ]
        await host.until(lambda: len(host.messages(Watch)) == 7)
        assert host.messages(Watch)[1] == Watch("backpack", "SOL_USDC_PERP", "backpack-main")


async def test_the_chosen_account_is_marked_and_alone_in_the_tables(attach: Attach) -> None:
    async with attach() as pilot:
        await shown(pilot, lambda: "SOL_USDC_PERP" in text(pilot))
        assert "►" not in app_of(pilot).trade.query_one(Header).render_line(0).text
        await pilot.press("right")
        await shown(pilot, lambda: "POSITIONS · bybit-main" in text(pilot))
        assert "►● bybit·main" in text(pilot)
        assert "SOL_USDC_PERP" not in text(pilot)


async def test_keys_go_round_the_markets(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        cockpit = app_of(pilot).cockpit
        markets = [(one.venue, one.symbol) for one in INFOS]
        for place in (1, 2, 0):
            await pilot.press("}")
            assert cockpit.market == markets[place]
        await pilot.press("{")
        assert cockpit.market == markets[2]
        await pilot.press("right", "}")
        assert "no other market here" in notice(pilot)


async def test_the_picker_narrows_by_typing_over_every_venue(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        await pilot.press("s")
        await shown(pilot, lambda: "3 of 3" in text(pilot))
        assert "▲0.04214 ◆5" in text(pilot)
        assert "▼42.5 ◆1" in text(pilot)
        await pilot.press(*"btc bin")
        await shown(pilot, lambda: "1 of 3" in text(pilot))
        await pilot.press("enter")
        await host.until(lambda: host.messages(Watch) == [Watch("binance", "BTCUSDT")])
        await pilot.press("s", *"nothing like it", "enter")
        assert isinstance(pilot.app.screen, PickModal)
        await pilot.press("escape")
        assert app_of(pilot).cockpit.market == ("binance", "BTCUSDT")


async def test_a_picked_market_of_another_account_lets_the_account_go(attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("right", "s", *"sol", "enter")
        cockpit = app_of(pilot).cockpit
        assert (cockpit.account, cockpit.market) == ("", ("backpack", "SOL_USDC_PERP"))


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (["b", "down", "enter"], PlaceOrder("binance-alt", HERE, Side.BUY, 100, join=True)),
        (["b", *"bybit", "enter"], PlaceOrder("bybit-main", HERE, Side.BUY, 100, join=True)),
        (
            ["S", "down", "enter", "y"],
            PlaceOrder("binance-alt", HERE, Side.SELL, 100, post_only=False),
        ),
        (["right", "b"], PlaceOrder("bybit-main", HERE, Side.BUY, 100, join=True)),
        (["right", "C"], CancelSymbol("bybit-main", HERE)),
    ],
)
async def test_an_order_by_hand_goes_to_the_chosen_account_or_asks_which(
    host: FakeHost, attach: Attach, keys: list[str], command: AnyCommand
) -> None:
    shared_market(host)
    async with attach() as pilot:
        await shown(pilot, lambda: "asks which of 2" in text(pilot))
        await pilot.press(*keys)
        await host.until(lambda: host.all_commands())
        assert host.all_commands() == [command]
        assert command.account in notice(pilot)


async def test_the_question_names_what_it_is_for_and_escape_sends_nothing(
    host: FakeHost, attach: Attach
) -> None:
    shared_market(host)
    async with attach() as pilot:
        await pilot.press("b")
        await shown(pilot, lambda: "WHICH ACCOUNT" in text(pilot))
        assert "BUY 0.001 BTCUSDT joining the bid" in text(pilot)
        await pilot.press("escape", "C")
        await pilot.pause(0.1)
        assert "cancel every order on BTCUSDT of bybit-main, binance-alt" in notice(pilot)
        assert host.all_commands() == []
        await pilot.press("y")
        await host.until(lambda: len(host.all_commands()) == 2)
        assert host.all_commands() == [
            CancelSymbol("bybit-main", HERE),
            CancelSymbol("binance-alt", HERE),
        ]


async def test_an_account_that_does_not_trade_the_market_gets_no_order(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        app = app_of(pilot)
        app.watch_market(("bybit", "BTCUSDT"), "binance-alt")
        await pilot.press("b", "S", "C")
        assert "binance-alt does not trade BTCUSDT" in notice(pilot)
        await shown(pilot, lambda: "not traded by binance-alt" in text(pilot))
        assert host.all_commands() == []


async def test_closing_names_account_and_market(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("f")
        assert "close long 0.04214 BTCUSDT at market on bybit-main" in notice(pilot)
        await pilot.press("n", ".", ".", "f")
        assert "close short 42.5 SOL_USDC_PERP at market on backpack-main" in notice(pilot)
        await pilot.press("y")
        close = ClosePosition("backpack-main", Symbol("SOL_USDC_PERP"))
        await host.until(lambda: host.all_commands() == [close])


async def test_sizes_are_kept_for_each_market(attach: Attach) -> None:
    async with attach() as pilot:
        cockpit = app_of(pilot).cockpit
        await pilot.press("8")
        assert cockpit.lots == 1000
        await pilot.press("}")
        assert cockpit.lots == SOL.size_presets[0]
        await pilot.press("7", "{")
        assert cockpit.lots == 1000
        assert cockpit.sizes[("backpack", "SOL_USDC_PERP")] == SOL.size_presets[1]


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (["right", "K", "y"], Kill("bybit-main")),
        (["K", "down", "enter", "y"], Kill("backpack-main")),
        (["right", "X", "y"], EmergencyExit("bybit-main")),
        (["A", "down", "K", "y"], Kill("backpack-main")),
    ],
)
async def test_one_account_alone_is_killed_by_name(
    host: FakeHost, attach: Attach, keys: list[str], command: Kill | EmergencyExit
) -> None:
    async with attach() as pilot:
        await pilot.press(*keys[:-1])
        await pilot.pause()
        assert f"{command.account} alone" in notice(pilot)
        assert host.all_commands() == []
        await pilot.press(keys[-1])
        await host.until(lambda: host.all_commands())
        assert host.all_commands() == [command]
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))
        await shown(pilot, lambda: f"{command.account} DISARMED · 2 OTHERS TRADE ON" in text(pilot))
        await pilot.press("x")
        flatten = EmergencyExit(command.account)
        await host.until(lambda: host.all_commands()[-1] == flatten)


async def test_arming_again_takes_the_strip_away(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("f9", "f9")
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))
        assert "KILL SENT" in notice(pilot)
        await pilot.press("a", "enter")
        await pilot.press(*"all", "enter")
        await host.until(lambda: host.commands(Rearm) == [Rearm("*", "all")])
        await shown(pilot, lambda: "KILL SENT" not in notice(pilot), 2.0)


async def test_dots_do_not_look_alive_when_the_host_is_gone(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        header = app_of(pilot).trade.query_one(Header)
        await shown(pilot, lambda: "● bybit·main" in header.render_line(0).text)
        host.stop()
        await shown(pilot, lambda: "? bybit·main" in header.render_line(0).text)
        line = header.render_line(0).text
        assert "●" not in line
        assert "◐" not in line


async def test_what_is_wrong_and_what_to_do_is_shown_in_full(
    host: FakeHost, attach: Attach
) -> None:
    words = "key refused (10003): make a new key with the right Trade and put it into BYBIT_KEY"
    change_account(host, 0, note=words, prepared=False, link="down", armed=False)
    async with attach() as pilot:
        app = app_of(pilot)
        await shown(pilot, lambda: words in text(pilot), 6.0)
        assert " OFF " in text(pilot)
        await pilot.press("right", "right")
        await shown(pilot, lambda: not app.trade.query_one(Troubles).display)
        await pilot.press("A")
        await shown(pilot, lambda: isinstance(pilot.app.screen, AccountsScreen))
        assert "key refused (10003)" in text(pilot)
        host.changes.clear()
        await shown(pilot, lambda: "key refused (10003)" not in text(pilot))
        await pilot.press("down", "enter")
        assert app.cockpit.account == "binance-alt"


async def test_position_differences_and_self_trades_are_told(
    host: FakeHost, attach: Attach
) -> None:
    told = "SOL_USDC_PERP: the venue holds 3.2, our fills make 3.0"
    change_account(host, 1, differences=[told], self_trades_prevented=7)
    async with attach() as pilot:
        await shown(pilot, lambda: told in text(pilot), 6.0)
        await pilot.press("A")
        await shown(pilot, lambda: "7 own orders kept from meeting" in text(pilot))


async def test_states_are_each_accounts_own(host: FakeHost, attach: Attach) -> None:
    change_account(host, 0, state=TradingState.REDUCING, holding=True)
    async with attach() as pilot:
        header = app_of(pilot).trade.query_one(Header)
        await shown(pilot, lambda: "bybit·main  HOLD " in header.render_line(0).text)
        assert "backpack·main  LIVE " in header.render_line(0).text


async def test_markets_that_come_later_are_known(host: FakeHost, attach: Attach) -> None:
    host.infos = []
    async with attach() as pilot:
        await pilot.press("s")
        await shown(pilot, lambda: "0 of 0" in text(pilot))
        host.broadcast(Markets(INFOS))
        await shown(pilot, lambda: "3 of 3" in text(pilot))
        assert ACCOUNTS[1] in text(pilot)


async def test_the_picker_lists_every_market_those_that_accounts_trade_first(
    host: FakeHost, attach: Attach
) -> None:
    listed = [
        ETH,
        ListedMarket("binance", "BTCUSDT", MarketKind.SPOT, "BTC", "USDT", ["binance-alt"]),
        *(
            ListedMarket("bybit", f"M{number}USDT", MarketKind.PERP, f"M{number}", "USDT", [])
            for number in range(2000)
        ),
    ]
    async with attach() as pilot:
        await pilot.press("s")
        await shown(pilot, lambda: "3 of 3" in text(pilot))
        assert len(host.messages(AskListings)) == 1
        assert "asking the venues" in text(pilot)
        await pilot.press("down", *"usdt")
        host.broadcast(Listings(listed[:2], ["bybit"], []))
        await shown(pilot, lambda: "3 of 4" in text(pilot))
        assert "asking bybit" in text(pilot)
        host.broadcast(Listings(listed, [], ["backpack: no answer"]))
        await shown(pilot, lambda: "2003 of 2004, the first 300 here" in text(pilot))
        assert "backpack: no answer" in text(pilot)
        lines = text(pilot).splitlines()
        first = next(n for n, line in enumerate(lines) if "bybit-main" in line and "▲" in line)
        assert "binance-alt" in lines[first + 1]
        assert "ETHUSDT" in lines[first + 2]
        assert "watch only" in lines[first + 2]
        await pilot.press(*" m1999", "enter")
        await host.until(lambda: host.messages(Watch) == [Watch("bybit", "M1999USDT")])


async def test_a_market_that_no_account_trades_takes_no_order_and_says_what_to_do(
    host: FakeHost, attach: Attach
) -> None:
    eth = msgspec.structs.replace(SPOT, symbol="ETHUSDT", base="ETH", accounts=[])
    pane = msgspec.structs.replace(
        host.frame().market, venue="binance", symbol="ETHUSDT", watch_only=True
    )
    async with attach() as pilot:
        host.broadcast(Listings([ETH], [], []))
        await pilot.press("s", *"eth", "enter")
        host.changes["market"] = pane
        host.broadcast(Markets([*INFOS, eth]))
        await shown(pilot, lambda: "WATCH ONLY  no account trades it" in text(pilot))
        for key in ("b", "S", "C"):
            app_of(pilot).board.say("", time.monotonic_ns(), good=True)
            await pilot.press(key)
            assert (
                'watch only: to trade it set symbols = ["BTCUSDT", "ETHUSDT"] '
                "of account binance-alt in the profile"
            ) in notice(pilot)
        assert host.all_commands() == []
        host.changes["market"] = msgspec.structs.replace(pane, synced=False, trouble="no answer")
        await shown(pilot, lambda: "WATCH ONLY  no answer" in text(pilot))
        await pilot.press("}")
        assert app_of(pilot).cockpit.market in [(one.venue, one.symbol) for one in INFOS]
