"""What failures mean, and which hosts belong together."""

from __future__ import annotations

import pytest

from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment
from obiterm.venues.binance import Verdict, classify, urls


@pytest.mark.parametrize(
    ("status", "code", "msg", "verdict"),
    [
        (400, -2010, "Account has insufficient balance for requested action.", Verdict.REFUSE),
        (400, -2010, "Duplicate order sent.", Verdict.UNKNOWN),
        (400, -1013, "Filter failure: LOT_SIZE", Verdict.REFUSE),
        (400, -1021, "", Verdict.RETRY),
        (400, -1022, "", Verdict.STOP),
        (400, -2011, "Unknown order sent.", Verdict.REFUSE),
        (400, -2014, "", Verdict.STOP),
        (401, -2015, "", Verdict.STOP),
        (401, 0, "", Verdict.STOP),
        (403, 0, "", Verdict.RETRY),
        (408, 0, "", Verdict.UNKNOWN),
        (409, -2021, "", Verdict.REFUSE),
        (410, 0, "", Verdict.STOP),
        (418, -1003, "", Verdict.RETRY),
        (429, -1015, "", Verdict.RETRY),
        (500, -1001, "", Verdict.UNKNOWN),
        (503, -1008, "", Verdict.RETRY),
        (503, 0, "", Verdict.UNKNOWN),
        (504, -1007, "", Verdict.UNKNOWN),
        (0, 0, "no answer", Verdict.UNKNOWN),
        (400, -9999, "new in 2027", Verdict.REFUSE),
        (599, -9999, "new in 2027", Verdict.UNKNOWN),
    ],
)
def test_what_a_failure_means(status: int, code: int, msg: str, verdict: Verdict) -> None:
    assert classify(status, code, msg) is verdict


def test_all_hosts_come_from_one_value() -> None:
    assert urls(Environment.LIVE).rest == "https://api.binance.com"
    assert "demo" in urls(Environment.DEMO).rest
    seen: set[str] = set()
    for environment in (Environment.LIVE, Environment.DEMO, Environment.TESTNET):
        told = urls(environment)
        hosts = {told.rest, told.stream, told.ws_api}
        assert len(hosts) == 3
        assert not hosts & seen, "no host serves two environments"
        seen |= hosts
        assert told.rest.startswith("https://")
        assert told.stream.startswith("wss://")
        assert told.ws_api.startswith("wss://")


def test_paper_cannot_trade() -> None:
    told = urls(Environment.PAPER)
    assert told.ws_api == ""
    assert "data-api" in told.rest


def test_any_host_may_be_replaced() -> None:
    told = urls(Environment.DEMO, {"rest": "http://127.0.0.1:8080/", "stream": ""})
    assert told.rest == "http://127.0.0.1:8080"
    assert told.stream == urls(Environment.DEMO).stream


def test_the_simulation_has_no_hosts_of_its_own() -> None:
    with pytest.raises(ConfigError, match="stream"):
        urls(Environment.SIM, {"rest": "http://127.0.0.1:1", "ws_api": "ws://127.0.0.1:1"})
    given = {"rest": "http://h", "stream": "ws://h", "ws_api": "ws://h/ws-api/v3"}
    assert urls(Environment.SIM, given).ws_api == "ws://h/ws-api/v3"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="websocket"):
        urls(Environment.LIVE, {"websocket": "wss://h"})
