"""Profiles: what ships loads, and whatever is wrong is named with file, line, field and value."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from obiterm.config.keys import find_keys
from obiterm.config.profiles import Profile, list_profiles, load_profile
from obiterm.config.shipped import shipped_files
from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment

GOOD = """\
schema = 1
title = "mine"
sizes = ["0.001", "0.01"]
on_detach = "hold"

[exchange]
symbol = "BTCUSDT"
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


@pytest.mark.parametrize("name", ["demo", "replay"])
def test_shipped_profiles_load(name: str, tmp_path: Path) -> None:
    profile = load_profile(name, user_dir=tmp_path)
    assert profile.name == name
    assert {account.environment for account in profile.accounts} == {Environment.SIM}
    assert profile.exchange is not None
    assert profile.exchange.symbol == "BTCUSDT"
    assert profile.strategies[0].kind == "surf"
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
        ("seed = 7", "sed = 7", "exchange.sed", 7, "no such key", "did you mean seed?"),
        ("seed = 7", "seed = -1", "exchange.seed", -1, "at least 0 and at most 4294967295", ""),
        ("seed = 7", 'seed = "x"', "exchange.seed", "x", "a valid integer", ""),
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
        ("seed = 7", "seed = ", "syntax = 'Invalid value (at line 8, column 8)'"),
        ('[exchange]\nsymbol = "BTCUSDT"\nseed = 7\n', "", "expected an [exchange] section"),
        ('keys = "sim"\n', "", "accounts[0].keys = '': expected sim"),
        ('keys = "env:TWO"', 'keys = "sim"', "expected env:PREFIX or nothing"),
        ('symbols = ["BTCUSDT"]', "symbols = []", "symbols = []: expected"),
        ('symbols = ["BTCUSDT"]', 'symbols = ["ETHUSDT"]', "BTCUSDT, the exchange's market"),
        ('symbols = ["BTCUSDT"]', 'symbols = ["BTCUSDT", "BTCUSDT"]', "expected each symbol once"),
        ('venue = "binance"\nenvironment = "sim"', 'environment = "sim"', "venue = None"),
        ("schema = 1", 'schema = 1\nname = "x"', "name = 'x': expected no such key"),
        ("seed = 7", 'capture = "no.gz"', "line 8: exchange.capture = 'no.gz': expected an exist"),
        ("seed = 7", "speed = 0", "expected more than 0 and at most 1000"),
        ("seed = 7", "speed = inf", "exchange.speed = inf"),
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


def test_a_capture_is_found_beside_the_profile(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tape.gz").touch()
    profile = load(GOOD.replace("seed = 7", 'capture = "tape.gz"'))
    assert profile.exchange is not None
    assert profile.exchange.capture == tmp_path / "tape.gz"


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
