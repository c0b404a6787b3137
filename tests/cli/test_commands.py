"""The command line itself: fast, quiet, never a traceback."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from obiterm import __version__
from obiterm.cli.crash import report, without_secrets
from obiterm.cli.main import main, make_parser
from obiterm.config.paths import Paths
from tests.host.conftest import StartHost
from tests.host.support import CHECKOUT, environment, run, write_profile


def test_version_is_fast_and_loads_little() -> None:
    """Best of five, wall time of the whole process: below 0.25 s."""
    took = []
    for _ in range(5):
        began = time.monotonic()
        done = run("--version")
        took.append(time.monotonic() - began)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"obiterm {__version__}\n", "")
    assert min(took) < 0.25
    code = (
        "import sys\nfrom obiterm.cli.main import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"textual", "aiohttp", "httpx", "pydantic", "uvloop", "asyncio", "sqlite3"}


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    words = ("demo", "replay", "host", "status", "kill", "exit", "exchange", "journal")
    assert all(word in done.stdout for word in words)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], None),
        (["--profile", "x"], "x"),
        (["--profile", "x", "demo"], "x"),
        (["demo", "--profile", "y"], "y"),
        (["--profile", "x", "demo", "--profile", "y"], "y"),
        (["--profile", "x", "kill"], "x"),
        (["kill"], None),
        (["--profile", "x", "host"], "x"),
        (["--profile", "x", "journal", "verify"], "x"),
    ],
)
def test_a_profile_before_the_command_counts(arguments: list[str], wanted: str | None) -> None:
    """A kill must not go to another profile than the one that was named."""
    assert make_parser().parse_args(arguments).profile == wanted


@pytest.mark.parametrize(
    ("arguments", "default"),
    [([], "demo"), (["demo"], "demo"), (["replay", "c"], "replay"), (["kill"], None)],
)
def test_default_profiles(arguments: list[str], default: str | None) -> None:
    assert make_parser().parse_args(arguments).default_profile == default


def test_screen_options_before_the_command_count() -> None:
    options = make_parser().parse_args(["--embedded", "--theme", "amber-crt", "demo"])
    assert options.embedded
    assert options.theme == "amber-crt"
    assert not options.watch


def test_status_tells_people_and_programs(start_host: StartHost) -> None:
    host = start_host()
    told = json.loads(run("status", "--json").stdout)
    assert set(told) == {"host", "state", "watchdog", "accounts"}
    assert set(told["watchdog"]) == {"rule", "told"}
    assert set(told["host"]) == {"pid", "profile", "uptime_s"}
    assert told["host"]["pid"] == host.process.pid
    (account,) = told["accounts"]
    assert set(account) == {
        *("name", "venue", "environment", "state"),
        *("rest", "open_orders", "positions", "feed_age_ms", "trouble", "covered", "standing"),
    }
    assert account["rest"] == host.rest
    assert account["trouble"] == ""
    text = run("status").stdout
    assert f"host {host.process.pid}  profile quiet  ACTIVE" in text
    assert "0 open orders" in text


def test_several_hosts_need_a_name(start_host: StartHost) -> None:
    start_host("one")
    start_host("two")
    done = run("kill")
    assert done.returncode == 2
    assert "one, two" in done.stderr
    assert run("--profile", "one", "kill").returncode == 0
    assert "HALTED" in run("status", "--profile", "one").stdout
    assert "ACTIVE" in run("status", "--profile", "two").stdout


def test_nothing_runs(own_home: Path) -> None:
    for word in ("status", "kill", "exit"):
        done = run(word, "--json")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("obiterm: host: no host is running")
    assert not list(own_home.rglob("*"))


def test_a_fault_becomes_a_report_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "hush-hush-4711"
    monkeypatch.setenv("MY_BINANCE_SECRET", secret)

    def broken(*_: object) -> int:
        raise RuntimeError(f"it broke\nnear {secret}")

    monkeypatch.setattr("obiterm.cli.shell.shell", broken)
    assert main(["status"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("obiterm: internal error: RuntimeError: it broke near ")
    (path,) = Paths.from_environment().state.glob("crash-*.txt")
    assert str(path) in told.err
    text = path.read_text()
    assert "in broken" in text
    assert __version__ in text
    assert secret not in text + told.err
    assert "MY_BINANCE_SECRET not shown" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_fault_in_a_host_reaches_whoever_started_it(start_host: StartHost) -> None:
    profile = write_profile("faulty")
    script = (
        "import obiterm.host.run as run\nrun.LinkServer = None\n"
        "from obiterm.cli.main import main\nraise SystemExit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "host", "--profile", profile],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        env=environment(),
        timeout=30.0,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("obiterm: internal error: TypeError")
    assert len(list(Paths.from_environment().state.glob("crash-*.txt"))) == 1
    start_host("faulty")  # nothing is left that would keep the next one from starting


def test_a_report_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBITERM_HOME", os.devnull)
    line = report(ExceptionGroup("group", [ValueError("deep")]))
    assert line.startswith("internal error: ValueError: deep (no report could be written")


def test_short_values_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key variable set to `1` must not blank every 1 in a report."""
    monkeypatch.setenv("SOME_KEY", "1")
    monkeypatch.setenv("API_TOKEN", "abcdef123456")
    assert without_secrets("1 abcdef123456 1") == "1 (API_TOKEN not shown) 1"


def test_output_that_nobody_reads() -> None:
    for arguments, code in ((["status"], 1), (["demo", "--speed", "0"], 2), (["--help"], 0)):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "obiterm", *arguments],
            stdout=write,
            stderr=write,
            check=False,
            cwd=CHECKOUT,
            env=environment(),
            timeout=20.0,
        )
        os.close(write)
        assert done.returncode == code
