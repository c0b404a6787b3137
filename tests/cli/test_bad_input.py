"""Every mistake of a user: one line that names it, exit 2, nothing changed on disk."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest

from obiterm.config.paths import Paths
from tests.cli.conftest import Refused, one_line, picture
from tests.host.conftest import OpenTerminal, StartHost
from tests.host.support import run, write_profile

SPOT = "l2/binance_spot_BTCUSDT_20240808.jsonl.gz"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--headless", "--speed", "0"], ["--speed = '0'", "above 0", "1000", "max"]),
        (["demo", "--headless", "--speed", "nan"], ["--speed = 'nan'"]),
        (["demo", "--headless", "--speed", "1001"], ["--speed = '1001'", "at most 1000"]),
        (["demo", "--headless", "--speed", "fast"], ["--speed = 'fast'"]),
        (["demo", "--headless", "--seed", "-1"], ["--seed = '-1'", "0 to 4294967295"]),
        (["demo", "--headless", "--seed", "4294967296"], ["--seed", "4294967295"]),
        (["demo", "--headless", "--seed", "٣"], ["--seed"]),
        (["demo", "--headless", "--seconds", "-5"], ["--seconds = '-5'", "above 0"]),
        (["demo", "--headless", "--seconds", "inf"], ["--seconds = 'inf'"]),
        (["demo", "--headless", "--sec", "5"], ["--sec"]),
        (["demo", "--headless", "extra"], ["extra"]),
        (["demo", "--color", "blue"], ["--color = 'blue'", "truecolor, 256, none"]),
        (["exchange", "--port", "70000"], ["--port = '70000'", "0 to 65535"]),
        (["exchange", "--venue", "kraken"], ["--venue = 'kraken'", "binance"]),
        (["exchange", "--symbol", "NOPE"], ["NOPE"]),
        (["exchange", "--balance", "NOPE=3"], ["--balance NOPE", "known: BTC, USDT"]),
        (["exchange", "--speed", "max"], ["--speed = 'max'"]),
        (["host", "--speed", "max"], ["--speed = 'max'"]),
        (["stauts"], ["'stauts'", "did you mean status?"]),
        (["frobnicate"], ["'frobnicate'", "known: demo, replay"]),
        (["journal"], ["ACTION"]),
        (["journal", "verfiy"], ["did you mean verify?"]),
        (["replay"], ["capture"]),
        (["replay", "/no/such.jsonl.gz", "--headless"], ["capture = '/no/such.jsonl.gz'"]),
        (["replay", "/", "--headless"], ["capture = '/'", "existing file"]),
        (["host", "--profile", "dmeo"], ["profile = 'dmeo'", "did you mean demo?"]),
        (["host", "--profile", "/no/such.toml"], ["/no/such.toml", "existing file"]),
        (["status", "--profile", "dmeo"], ["did you mean demo?"]),
        (["journal", "verify"], ["no journal of profile 'demo'"]),
        (["journal", "verify", "/no/such"], ["/no/such"]),
        (["demo", "--theme", "dusk", "--profile"], ["--profile"]),
        (["--embedded", "--watch"], ["terminal"]),
    ],
)
def test_wrong_words_on_the_command_line(
    arguments: list[str], words: list[str], refused: Refused
) -> None:
    told = refused(*arguments)
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("\n[exchange2]\nseed = 1\n", ["exchange2", "no such key", "did you mean exchanges?"]),
        ("max_open_ordres = 3\n", ["max_open_ordres", "did you mean max_open_orders?"]),
        ("max_orders_per_10s = 4000\n", ["syntax", "at line", "valid TOML"]),
        (
            "\n[[strategies]]\nname='s'\nkind='surf'\naccount='demo'\nsymbol='BTCUSDT'\n"
            "[strategies.parameters]\nenter_obi = 7.5\n",
            ["enter_obi = 7.5", "more than 0", "less than 1", "line"],
        ),
        (
            "\n[[strategies]]\nname='s'\nkind='serf'\naccount='demo'\nsymbol='BTCUSDT'\n",
            ["kind = 'serf'", "did you mean surf?"],
        ),
    ],
)
def test_wrong_profiles(extra: str, words: list[str], refused: Refused) -> None:
    profile = write_profile("wrong", extra=extra)
    for command in (
        ["host", "--profile", profile],
        ["demo", "--profile", profile, "--headless", "--seconds", "1"],
        ["demo", "--profile", profile, "--headless", "--speed", "max"],
    ):
        told = refused(*command)
        assert all(word in told for word in words), told
        assert "wrong.toml" in told


def test_a_value_out_of_range_names_field_value_bounds_and_line(refused: Refused) -> None:
    folder = Paths.from_environment().profiles
    write_profile("high")
    text = (folder / "high.toml").read_text().replace("max_open_orders = 60", "max_open_orders = 0")
    (folder / "high.toml").write_text(text)
    told = refused("host", "--profile", "high")
    line = 1 + text.splitlines().index("max_open_orders = 0")
    for word in ("limits.max_open_orders = 0", "at least 1", "at most 200", f"line {line}"):
        assert word in told


def test_keys_that_are_not_there(refused: Refused) -> None:
    folder = Paths.from_environment().profiles
    folder.mkdir(parents=True)
    (folder / "real.toml").write_text(
        "schema = 1\n[[accounts]]\nname='a'\nvenue='binance'\nenvironment='testnet'\n"
        "symbols=['BTCUSDT']\nkeys='env:MY_BINANCE'\n"
    )
    told = one_line(run("host", "--profile", "real"))
    assert "keys of account a = 'env:MY_BINANCE'" in told
    assert "MY_BINANCE_KEY to be set" in told
    secret = "do-not-print-me-4711"
    told = one_line(run("host", "--profile", "real", variables={"MY_BINANCE_SECRET": secret}))
    assert secret not in told
    assert secret not in "".join(str(text) for text in picture(folder.parent.parent).values())


def test_a_home_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a directory")
    for command in (["host"], ["demo", "--headless", "--seconds", "1"], ["status"], ["kill"]):
        told = one_line(run(*command, variables={"OBITERM_HOME": str(file)}))
        assert str(file) in told
        assert "OBITERM_HOME" in told
    assert file.read_text() == "not a directory"
    for command in (["host"], ["demo", "--headless", "--seconds", "1"]):
        told = one_line(run(*command, variables={"OBITERM_HOME": "/proc/no-place-to-write"}))
        assert "/proc/no-place-to-write" in told


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    told = one_line(run("host", variables={"OBITERM_HOME": str(tmp_path / "home")}))
    assert "OBITERM_HOME" in told


def test_wrong_settings(refused: Refused) -> None:
    paths = Paths.from_environment()
    paths.config.mkdir(parents=True)
    paths.settings.write_text("on_detach = 'panic'\n")
    told = refused("host")
    assert "on_detach" in told
    assert "settings.toml" in told
    paths.settings.unlink()
    told = refused("host", OBITERM_ON_DETACH="sometimes")
    assert "OBITERM_ON_DETACH" in told


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["--theme", "dusk"], "", "dusk"),
        ([], "theme = 'night-cty'", "night-city"),
        ([], "[keymap]\n'order.cancel' = 'f9'", "f9"),
        (["demo", "--json"], "", "--headless"),
        (["demo", "--speed", "max"], "", "--headless"),
        (["--embedded", "--watch"], "", "exclude"),
    ],
)
def test_what_a_screen_is_told_is_checked_before_a_host_starts(
    arguments: list[str], settings: str, words: str, open_terminal: OpenTerminal, own_home: Path
) -> None:
    paths = Paths.from_environment()
    paths.config.mkdir(parents=True)
    paths.settings.write_text(settings)
    before = picture(own_home)
    terminal = open_terminal("obiterm", *arguments)
    assert terminal.ended_within(10.0) < 10.0
    assert terminal.process.returncode == 2
    terminal.wait(lambda: words in " ".join(terminal.text().split()))
    assert "Traceback" not in terminal.text()
    assert picture(own_home) == before


def test_a_terminal_that_is_too_small_gets_a_message(open_terminal: OpenTerminal) -> None:
    profile = write_profile("tiny")
    terminal = open_terminal("obiterm", "--profile", profile, "--embedded", size=(20, 6))
    terminal.wait_text("too small", timeout_s=20.0)
    terminal.resize(160, 48)
    with terminal._lock:
        terminal.screen.resize(48, 160)
    terminal.wait_text("LADDER", "F9 F9 KILL")


def test_a_port_in_use(refused: Refused) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refused("exchange", "--port", str(port))
        assert f"port {port}" in told
        assert "in use" in told
        profile = write_profile("ported", port=port)
        told = one_line(run("host", "--profile", profile))
        assert f"port {port}" in told


def test_another_capture_than_the_running_one(
    start_host: StartHost, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    terminal = open_terminal("obiterm", "demo", "--profile", "quiet", "--seed", "8")
    assert terminal.ended_within(10.0) < 10.0
    assert terminal.process.returncode == 2
    terminal.wait_text("already running with seed 7, not 8")
    assert host.status() is not None


# -- captures -------------------------------------------------------------------------

ROWS = 400


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the recorded spot market, as a small capture."""
    shared = os.environ.get("OBITERM_SHARED") or Path(__file__).parents[3] / "shared"
    source = Path(shared) / "data" / SPOT
    if not source.is_file():
        pytest.skip(f"no recorded data at {source}; set OBITERM_SHARED to where it is")
    path = tmp_path_factory.mktemp("captures") / "small.jsonl.gz"
    with gzip.open(source, "rb") as lines, gzip.open(path, "wb") as small:
        for _ in range(ROWS):
            small.write(next(lines))
    return path


def damaged(capture: Path, folder: Path, kind: str) -> tuple[Path, list[str]]:
    """Return a damaged copy and the words that tell what is wrong with it."""
    path = folder / f"{kind}.jsonl.gz"
    data = capture.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
        return path, ["cut off after", "lines", "bytes"]
    if kind == "corrupt":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes(64) + data[middle + 64 :])
        return path, ["corrupt after", "lines"]
    if kind == "empty":
        path.write_bytes(gzip.compress(b""))
        return path, ["no market message"]
    if kind == "words":
        path.write_bytes(gzip.compress(gzip.decompress(data) + b"not json\n"))
        return path, [f"line {ROWS + 1}", "not JSON"]
    path.write_bytes(b"plain text, no gzip at all" * 100)
    return path, ["corrupt after 0 lines"]


@pytest.mark.captures
@pytest.mark.parametrize("kind", ["truncated", "corrupt", "empty", "words", "plain"])
@pytest.mark.parametrize("speed", ["max", "20"])
def test_damaged_captures(kind: str, speed: str, capture: Path, tmp_path: Path) -> None:
    path, words = damaged(capture, tmp_path, kind)
    told = one_line(run("replay", str(path), "--headless", "--speed", speed, "--json"))
    for word in (str(path), *words):
        assert word in told, told


@pytest.mark.captures
@pytest.mark.parametrize("more", [[], ["--embedded"]])
@pytest.mark.parametrize("kind", ["truncated", "corrupt"])
def test_damaged_captures_in_front_of_a_screen(
    kind: str, more: list[str], capture: Path, tmp_path: Path, open_terminal: OpenTerminal
) -> None:
    path, words = damaged(capture, tmp_path, kind)
    terminal = open_terminal("obiterm", "replay", str(path), *more)
    assert terminal.ended_within(20.0) < 20.0
    assert terminal.process.returncode == 2
    terminal.wait(lambda: all(word in terminal.text().replace("\n", "") for word in words))
    assert "Traceback" not in terminal.text()


@pytest.mark.captures
def test_damaged_captures_at_the_exchange(capture: Path, tmp_path: Path) -> None:
    path, words = damaged(capture, tmp_path, "truncated")
    told = one_line(run("exchange", "--capture", str(path)))
    assert all(word in told for word in words)


@pytest.mark.captures
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("binance_usdm_BTCUSDT_20240718.jsonl.gz", "binance usdm BTCUSDT"),
        ("bybit_linear_XRPUSDT_ob500_20241201.jsonl.gz", "bybit"),
    ],
)
def test_captures_of_other_markets(name: str, words: str, shared_data: Path) -> None:
    path = shared_data / "l2" / name
    for speed in ("max", "20"):
        told = one_line(run("replay", str(path), "--headless", "--speed", speed, "--seconds", "2"))
        assert words in told
        assert "binance spot BTCUSDT" in told
    assert words in one_line(run("exchange", "--capture", str(path)))


@pytest.mark.captures
def test_a_capture_that_may_not_be_read(capture: Path, tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / "closed.jsonl.gz"
    shutil.copy(capture, path)
    path.chmod(0)
    told = one_line(run("replay", str(path), "--headless", "--speed", "max"))
    assert "cannot read" in told


# -- journals -------------------------------------------------------------------------


def test_a_journal_with_a_broken_chain(own_home: Path) -> None:
    done = run("demo", "--headless", "--seconds", "2", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    path = Path(summary["journal"])
    assert run("journal", "verify", str(path)).returncode == 0
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)
    told = one_line(run("journal", "verify", str(path)), code=2)
    assert "is the first bad one" in told
    row = int(told.split(": row ")[1].split()[0])
    assert 0 < row <= summary["journal_rows"] + 1
    as_json = run("journal", "verify", "--json")
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["first_bad_seq"] == row
    broken = path.read_bytes()
    for command in (["host", "--profile", "demo"], ["demo", "--headless", "--seconds", "1"]):
        told = one_line(run(*command))
        assert str(path) in told
        assert "does not hold" in told
        assert "row" in told
    assert path.read_bytes() == broken


def test_a_file_that_is_no_journal(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("dear reader")
    told = refused("journal", "verify", str(path))
    assert str(path) in told
