"""Profiles: what ships loads, and whatever is wrong is named with file, line, field and value."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from obiterm.config.keys import find_keys, require_own_keys
from obiterm.config.parameters import check_on_instruments
from obiterm.config.profiles import Profile, list_profiles, load_profile
from obiterm.config.shipped import shipped_files
from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.values import Environment, MarketKind, Symbol

GOOD = """\
schema = 1
title = "mine"
sizes = ["0.001", "0.01"]
on_detach = "hold"

[[exchanges]]
venue = "binance"
symbols = ["BTCUSDT"]
seed = 7

[[accounts]]
name = "one"
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT"]
keys = "sim"
[accounts.limits]
max_open_orders = 10

[[accounts]]
name = "two"
venue = "binance"
environment = "testnet"
symbols = ["BTCUSDT", "ETHUSDT"]
keys = "env:TWO"

[[strategies]]
name = "surf-a"
kind = "surf"
account = "one"
symbol = "BTCUSDT"
[strategies.parameters]
enter_obi = 0.5
"""

Load = Callable[[str], Profile]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> Profile:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return load_profile("mine", user_dir=tmp_path)

    return load


@pytest.mark.parametrize("name", ["demo", "demo-spot", "replay"])
def test_shipped_profiles_load(name: str, tmp_path: Path) -> None:
    profile = load_profile(name, user_dir=tmp_path)
    assert profile.name == name
    assert {account.environment for account in profile.accounts} == {Environment.SIM}
    assert all(account.is_hosted for account in profile.accounts)
    assert {one.account for one in profile.strategies} == {one.name for one in profile.accounts}
    assert {one.kind for one in profile.strategies} == {"surf"}
    assert profile.on_detach == "keep"


def test_a_profile_says_what_it_says(load: Load) -> None:
    profile = load(GOOD)
    assert (profile.name, profile.title, profile.on_detach) == ("mine", "mine", "hold")
    assert profile.sizes == (Decimal("0.001"), Decimal("0.01"))
    assert profile.account("one").limits.max_open_orders == 10
    assert profile.account("one").limits.max_order_notional > 0
    assert profile.account("two").environment is Environment.TESTNET
    assert [one.name for one in profile.strategies_of("one")] == ["surf-a"]
    assert profile.strategies_of("two") == []
    assert profile.strategies[0].parameters == {"enter_obi": 0.5}
    with pytest.raises(KeyError):
        profile.account("three")


def _line(text: str) -> int:
    return GOOD.splitlines().index(text) + 1


@pytest.mark.parametrize(
    ("old", "new", "field", "value", "expected", "hint"),
    [
        ("seed = 7", "sed = 7", "exchanges[0].sed", 7, "no such key", "did you mean seed?"),
        ("seed = 7", "seed = -1", "exchanges[0].seed", -1, "at least 0 and at most 4294967295", ""),
        ("seed = 7", 'seed = "x"', "exchanges[0].seed", "x", "a valid integer", ""),
        ("schema = 1", "schema = 2", "schema", 2, "1", "Layout"),
        ('on_detach = "hold"', 'on_detach = "stay"', "on_detach", "stay", "'flatten'", ""),
        (
            'sizes = ["0.001", "0.01"]',
            'sizes = ["0.01", "0.001"]',
            "sizes",
            ["0.01", "0.001"],
            "smallest first",
            "",
        ),
        (
            'environment = "testnet"',
            'environment = "paper"',
            "accounts[1].environment",
            "paper",
            "one of sim, demo, testnet, live",
            "",
        ),
        (
            'environment = "testnet"',
            'environment = "live"',
            "accounts[1].environment",
            "live",
            "a profile of their own",
            "",
        ),
        (
            "max_open_orders = 10",
            "max_open_orders = 9000",
            "accounts[0].limits.max_open_orders",
            9000,
            "at least 1 and at most 200",
            "open orders",
        ),
        (
            "max_open_orders = 10",
            "max_open_order = 10",
            "accounts[0].limits.max_open_order",
            10,
            "no such key",
            "did you mean max_open_orders?",
        ),
        ('name = "two"', 'name = "one"', "accounts[1].name", "one", "a name of its own", ""),
        ('name = "two"', 'name = "T wo"', "accounts[1].name", "T wo", "match pattern", ""),
        ('account = "one"', 'account = "on"', "strategies[0].account", "on", "one, two", ""),
        ('kind = "surf"', 'kind = "surv"', "strategies[0].kind", "surv", "one of", "surf?"),
        (
            "enter_obi = 0.5",
            "enter_obi = 1.5",
            "strategies[0].parameters.enter_obi",
            1.5,
            "more than 0 and less than 1",
            "",
        ),
        (
            "enter_obi = 0.5",
            "enter_obj = 0.5",
            "strategies[0].parameters.enter_obj",
            0.5,
            "no such key",
            "did you mean enter_obi?",
        ),
        (
            "enter_obi = 0.5",
            "hold_obi = 0.9",
            "strategies[0].parameters.hold_obi",
            0.9,
            "fit together: hold_obi 0.9 must not exceed",
            "",
        ),
    ],
)
def test_what_is_wrong_is_named(
    load: Load, old: str, new: str, field: str, value: object, expected: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as failure:
        load(GOOD.replace(old, new))
    error = failure.value
    assert (error.field, error.value) == (field, value)
    assert expected in error.expected
    assert hint in error.hint
    assert f"mine.toml, line {_line(old)}: {field} = " in error.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 7", "seed = ", "syntax = 'Invalid value (at line 9, column 8)'"),
        (
            '[[exchanges]]\nvenue = "binance"\nsymbols = ["BTCUSDT"]\nseed = 7\n',
            "",
            "expected an [[exchanges]] section with venue = 'binance'",
        ),
        ("[[exchanges]]", "[exchange]", "exchange = "),
        ('keys = "sim"\n', "", "accounts[0].keys = '': expected sim"),
        ('keys = "env:TWO"', 'keys = "sim"', "expected env:PREFIX or nothing"),
        ('symbols = ["BTCUSDT"]', "symbols = []", "symbols = []: expected"),
        (
            'symbols = ["BTCUSDT"]',
            'symbols = ["ETHUSDT"]',
            "accounts[0].symbols[0] = 'BTCUSDT': expected ETHUSDT: the markets of the binance",
        ),
        ('symbols = ["BTCUSDT"]', 'symbols = ["BTCUSDT", "BTCUSDT"]', "expected each symbol once"),
        ('venue = "binance"\nenvironment = "sim"', 'environment = "sim"', "venue = None"),
        ('venue = "binance"\nenvironment', 'venue = "kraken"\nenvironment', "'kraken': expected"),
        (
            'venue = "binance"\nenvironment = "testnet"',
            'venue = "backpack"\nenvironment = "testnet"',
            "environment = 'testnet': expected live or sim: Backpack has no test environment",
        ),
        (
            'keys = "env:TWO"',
            'urls = {private = "ws://127.0.0.1:1"}',
            "accounts[1].urls.private = 'ws://127.0.0.1:1': expected one of rest, stream, ws_api",
        ),
        (
            'keys = "sim"',
            'keys = "sim"\nurls = {rest = "http://127.0.0.1:1"}',
            "the profile's own exchange tells its addresses",
        ),
        (
            'keys = "sim"',
            'keys = "env:ONE"\nurls = {rest = "http://127.0.0.1:1"}',
            "accounts[0].urls.stream = '': expected an address",
        ),
        ("seed = 7", "balances = {USDT = -1}", "amounts of 0 or more"),
        ('symbols = ["BTCUSDT"]\nseed', 'symbols = ["BTCUSDT", "BTCUSDT"]\nseed', "each symbol"),
        (
            "seed = 7",
            'seed = 7\n[[exchanges]]\nvenue = "bybit"\nsymbols = ["BTCUSDT"]',
            "exchanges[1].venue = 'bybit': expected a venue with a sim account",
        ),
        (
            'symbol = "BTCUSDT"\n[strategies.parameters]\nenter_obi = 0.5\n',
            'symbol = "BTCUSDT"\n[[strategies]]\nname = "surf-a"\nkind = "surf"\n'
            'account = "one"\nsymbol = "BTCUSDT"\n',
            "strategies[1].name = 'surf-a': expected a name of its own in the strategies of one",
        ),
        ("schema = 1", 'schema = 1\nname = "x"', "name = 'x': expected no such key"),
        ("seed = 7", 'capture = "no.gz"', "line 9: exchanges[0].capture = 'no.gz': expected an"),
        ("seed = 7", "speed = 0", "expected more than 0 and at most 1000"),
        ("seed = 7", "speed = inf", "exchanges[0].speed = inf"),
        ('symbol = "BTCUSDT"\n[str', 'symbol = "ETHUSDT"\n[str', "expected one of BTCUSDT"),
        ('keys = "env:TWO"', 'urls = {rest = "localhost"}', "urls.rest = 'localhost': expected an"),
    ],
)
def test_more_that_is_wrong(load: Load, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as failure:
        load(GOOD.replace(old, new, 1))
    assert message in failure.value.message


@pytest.mark.parametrize(
    "line", ['keys = "S3CRETS3CRET"', 'api_secret = "S3CRETS3CRET"', 'api_key = "S3CRETS3CRET"']
)
def test_a_secret_in_a_profile_is_refused_and_not_shown(load: Load, line: str) -> None:
    with pytest.raises(ConfigError) as failure:
        load(GOOD.replace('keys = "env:TWO"', line))
    assert "S3CRET" not in str(failure.value)
    assert failure.value.__cause__ is None


VENUES = """\
schema = 1
[[exchanges]]
venue = "bybit"
symbols = ["BTCUSDT.SPOT", "BTCUSDT", "ETHUSDT"]
balances = {USDT = "5000", BTC = 0}

[[exchanges]]
venue = "backpack"
symbols = ["SOL_USDC_PERP"]
port = 4000
"""
ACCOUNT = """
[[accounts]]
name = "{name}"
venue = "{venue}"
environment = "{environment}"
symbols = {symbols}
keys = "{keys}"
"""


def account(name: str, venue: str, symbols: str, environment: str = "sim", keys: str = "") -> str:
    keys = keys or ("sim" if environment == "sim" else "env:X")
    return ACCOUNT.format(
        name=name, venue=venue, environment=environment, symbols=symbols, keys=keys
    )


@pytest.mark.parametrize(
    ("venue", "symbol", "may_short"),
    [
        ("binance", "BTCUSDT", False),
        ("bybit", "BTCUSDT.SPOT", False),
        ("bybit", "BTCUSDT", True),
        ("backpack", "SOL_USDC", False),
        ("backpack", "SOL_USDC_PERP", True),
        ("binance-futures", "BTCUSDT-PERP", True),
    ],
)
def test_shorts_on_spot_are_refused_where_they_stand(
    tmp_path: Path, venue: str, symbol: str, may_short: bool
) -> None:
    text = (
        'schema = 1\ntitle = "t"\n'
        f'[[exchanges]]\nvenue = "{venue}"\nsymbols = ["{symbol}"]\n'
        + account("one", venue, f'["{symbol}"]', keys="sim")
        + '[[strategies]]\nname = "s"\nkind = "surf"\naccount = "one"\n'
        f'symbol = "{symbol}"\n[strategies.parameters]\ndirection = "both"\n'
    )
    path = tmp_path / "shorts.toml"
    path.write_text(text)
    if may_short:
        load_profile(path, user_dir=tmp_path)
        return
    with pytest.raises(ConfigError) as caught:
        load_profile(path, user_dir=tmp_path)
    line = text[: text.index("direction")].count("\n") + 1
    for part in (str(path), f"line {line}:", "strategies[0].parameters.direction = 'both'"):
        assert part in str(caught.value)


@pytest.mark.parametrize("venue", ["binance", "binance-futures", "bybit", "backpack"])
def test_a_market_that_no_exchange_makes_is_named_with_those_there_are(
    tmp_path: Path, venue: str
) -> None:
    path = tmp_path / "nope.toml"
    path.write_text(
        'schema = 1\ntitle = "t"\n'
        f'[[exchanges]]\nvenue = "{venue}"\nsymbols = ["NOPEUSDT"]\n'
        + account("one", venue, '["NOPEUSDT"]', keys="sim")
    )
    with pytest.raises(ConfigError) as caught:
        load_profile(path, user_dir=tmp_path)
    for part in (f"{path}, line 5: ", "exchanges[0].symbols[0] = 'NOPEUSDT'", MARKETS[venue]):
        assert part in str(caught.value)


MARKETS = {
    "binance": "BTCUSDT",
    "binance-futures": "BTCUSDT-PERP",
    "bybit": "BTCUSDT.SPOT",
    "backpack": "SOL_USDC_PERP",
}
"""A market of each venue, spelt as in profiles."""


def test_what_only_the_listing_tells_is_named_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(
        'schema = 1\ntitle = "t"\n[[exchanges]]\nvenue = "binance"\nsymbols = ["BTCUSDT"]\n'
        + account("one", "binance", '["BTCUSDT"]', keys="sim")
        + '[[strategies]]\nname = "s"\nkind = "surf"\naccount = "one"\n'
        'symbol = "BTCUSDT"\n[strategies.parameters]\nquantity = 0.00001\n'
    )
    profile = load_profile(path, user_dir=tmp_path)
    instrument = Instrument(
        "binance",
        Symbol("BTCUSDT"),
        MarketKind.SPOT,
        "BTC",
        "USDT",
        Decimal("0.01"),
        Decimal("0.00001"),
        min_lots=10,
    )
    with pytest.raises(ConfigError) as caught:
        check_on_instruments(profile, "one", {instrument.symbol: instrument})
    for part in (f"{path}, line ", "strategies[0].parameters.quantity", "at least 0.00010 BTC"):
        assert part in str(caught.value)


def test_accounts_find_the_exchange_of_their_venue_that_makes_their_markets(load: Load) -> None:
    profile = load(
        VENUES
        + account("a", "backpack", '["SOL_USDC_PERP"]')
        + account("b", "bybit", '["ETHUSDT"]')
        + account("c", "bybit", '["BTCUSDT", "BTCUSDT.SPOT"]')
        + account("d", "bybit", '["BTCUSDT"]', "demo")
    )
    assert [profile.exchange_of(one) for one in profile.accounts] == [1, 0, 0, None]
    assert profile.exchanges[0].balances == {"USDT": Decimal(5000), "BTC": Decimal(0)}
    assert [one.is_hosted for one in profile.accounts] == [True, True, True, False]


@pytest.mark.parametrize(
    ("venue", "environment", "urls"),
    [
        ("binance", "testnet", {"rest", "stream", "ws_api"}),
        ("binance-futures", "demo", {"rest", "public", "market", "private", "ws_api", "stream"}),
        ("bybit", "demo", {"rest", "public", "private", "trade"}),
        ("backpack", "live", {"rest", "stream"}),
    ],
)
def test_addresses_have_the_names_of_their_venue(
    load: Load, venue: str, environment: str, urls: set[str]
) -> None:
    def table(name: str) -> str:
        at = account("a", venue, '["BTCUSDT"]', environment)
        return f'schema = 1\n{at}[accounts.urls]\n{name} = "wss://example.test/"\n'

    for name in urls:
        assert load(table(name)).accounts[0].urls == {name: "wss://example.test"}
    for name in {"rest", "stream", "public", "private", "trade", "ws_api", "wsapi"} - urls:
        with pytest.raises(ConfigError) as failure:
            load(table(name))
        assert failure.value.field == f"accounts[0].urls.{name}"
        assert all(known in failure.value.expected for known in urls)


def test_a_sim_account_may_trade_on_an_exchange_that_runs_elsewhere(load: Load) -> None:
    text = "schema = 1\n" + account("a", "backpack", '["SOL_USDC"]', keys="env:SIM")
    urls = '[accounts.urls]\nrest = "http://127.0.0.1:1"\nstream = "ws://127.0.0.1:1"\n'
    profile = load(text + urls)
    assert profile.exchange_of(profile.accounts[0]) is None
    with pytest.raises(ConfigError, match="urls of an exchange that runs elsewhere"):
        load(text)


def test_two_exchanges_do_not_share_a_port(load: Load) -> None:
    text = VENUES.replace("balances", "port = 4000\nbalances")
    accounts = account("a", "backpack", '["SOL_USDC_PERP"]') + account("b", "bybit", '["ETHUSDT"]')
    with pytest.raises(
        ConfigError, match=r"exchanges\[1\].port = 4000: expected a port of its own"
    ):
        load(text + accounts)


def test_only_a_market_of_binance_can_be_replayed(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tape.gz").touch()
    text = VENUES.replace("port = 4000", 'capture = "tape.gz"')
    accounts = account("a", "backpack", '["SOL_USDC_PERP"]') + account("b", "bybit", '["ETHUSDT"]')
    with pytest.raises(ConfigError, match="only one market of binance can be replayed"):
        load(text + accounts)


def test_a_capture_is_found_beside_the_profile(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tape.gz").touch()
    profile = load(GOOD.replace("seed = 7", 'capture = "tape.gz"'))
    assert profile.exchanges[0].capture == tmp_path / "tape.gz"


def test_names_paths_and_precedence(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_text(GOOD)
    assert load_profile("demo", user_dir=tmp_path).title == "mine", "the user's comes first"
    assert load_profile(tmp_path / "demo.toml", user_dir=Path("/nowhere")).title == "mine"
    with pytest.raises(ConfigError, match="expected the name of a profile") as failure:
        load_profile("dmo", user_dir=tmp_path)
    assert failure.value.hint == "did you mean demo?"
    with pytest.raises(ConfigError, match="expected an existing file"):
        load_profile("./gone.toml", user_dir=tmp_path)
    (tmp_path / "a b.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match="a file name of letters"):
        load_profile(tmp_path / "a b.toml", user_dir=tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_profile("bytes", user_dir=tmp_path)


def test_the_list_shows_broken_ones_too(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    (tmp_path / "broken.toml").write_text("schema = 5\n")
    (tmp_path / "demo.toml").write_text(GOOD)
    entries = {entry.name: entry for entry in list_profiles(tmp_path)}
    assert list(entries) == sorted(entries)
    assert set(shipped_files("profiles")) <= set(entries)
    assert (entries["mine"].title, entries["mine"].ok) == ("mine", True)
    assert not entries["demo"].shipped
    assert not entries["broken"].ok
    assert entries["broken"].title.startswith("broken: ")
    assert list_profiles(tmp_path / "nowhere")


def test_keys_come_from_the_environment_and_hide(load: Load) -> None:
    profile = load(GOOD)
    assert find_keys(profile.account("one"), {}) is None
    keys = find_keys(profile.account("two"), {"TWO_KEY": "abcdefgh", "TWO_SECRET": "hush"})
    assert keys is not None
    assert (keys.api_key, keys.api_secret) == ("abcdefgh", "hush")
    assert "hush" not in repr(keys)
    assert "abcdefgh" not in repr(keys)
    with pytest.raises(ConfigError, match="TWO_SECRET to be set") as failure:
        find_keys(profile.account("two"), {"TWO_KEY": "abcdefgh"})
    assert "abcdefgh" not in str(failure.value)


def test_two_accounts_with_one_key_are_refused_without_showing_it(load: Load) -> None:
    """Two variables may hold one key; the key itself decides (each would book both's fills)."""
    both = account("one", "bybit", '["BTCUSDT"]', "demo", "env:ONE")
    both += account("two", "bybit", '["ETHUSDT"]', "demo", "env:TWO")
    profile = load('schema = 1\ntitle = "Two"\n' + both)
    mine = {"ONE_KEY": "abcdefgh", "ONE_SECRET": "hush"}
    require_own_keys(profile.accounts, mine)
    require_own_keys(profile.accounts, {**mine, "TWO_KEY": "ijklmnop", "TWO_SECRET": "hush"})
    with pytest.raises(ConfigError) as refused:
        require_own_keys(profile.accounts, {**mine, "TWO_KEY": "abcdefgh", "TWO_SECRET": "hush"})
    text = str(refused.value)
    assert "account two" in text
    assert "account one has the same one" in text
    assert "abcd" not in text
    assert "hush" not in text


def test_one_key_for_two_kinds_of_markets_of_a_venue_is_two_accounts(load: Load) -> None:
    both = account("spot", "binance", '["BTCUSDT"]', "testnet", "env:ONE")
    both += account("perp", "binance-futures", '["BTCUSDT-PERP"]', "testnet", "env:ONE")
    require_own_keys(
        load('schema = 1\ntitle = "Two"\n' + both).accounts,
        {"ONE_KEY": "abcdefgh", "ONE_SECRET": "hush"},
    )
