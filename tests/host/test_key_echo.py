"""A venue that repeats the API key in its errors: the key shows nowhere (§6, secrets)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.host.run import RunningHost, run_host
from obiterm.net.conceal import Concealer
from tests.host.accounts import MARKETS, Account, write_accounts
from tests.host.support import run
from tests.host.test_account_states import DEADLINE_S, until

NAME = "echoed"


@web.middleware
async def repeat_key(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer refusals as a venue that repeats the key of the request."""
    reply: web.StreamResponse = await handler(request)
    keys = [request.headers.get(name) for name in ("X-MBX-APIKEY", "X-BAPI-API-KEY", "X-API-Key")]
    key = next((one for one in keys if one), "")
    if key and isinstance(reply, web.Response) and isinstance(reply.body, bytes):
        words = json.loads(reply.body)
        for field in ("msg", "retMsg", "message"):
            if isinstance(words, dict) and words.get(field):
                words[field] = f"error sign! origin_string[17{key}5000] {words[field]}"
        return web.json_response(words, status=reply.status)
    return reply


class Echoing(ExchangeServer):
    """An exchange whose refusals hold the key."""

    async def start(self) -> None:
        application = self.exchange.application()
        application.middlewares.append(repeat_key)
        self.exchange.application = lambda: application  # type: ignore[method-assign]
        await super().start()


def canary(venue: str) -> tuple[str, str]:
    """Return a key that the exchange does not know, with its secret."""
    if venue != "backpack":
        return "CANARYkey0123456789abcdef", "some secret"
    while True:  # one whose form in JSON or addresses differs
        private = Ed25519PrivateKey.generate()
        public = b64encode(private.public_key().public_bytes_raw()).decode()
        if "/" in public:
            return public, b64encode(private.private_bytes_raw()).decode()


def files_in(home: Path) -> list[bytes]:
    """Return what every file under a directory holds."""
    return [one.read_bytes() for one in home.rglob("*") if one.is_file()]


@pytest.mark.parametrize("venue", list(MARKETS))
async def test_a_key_that_the_venue_repeats_shows_nowhere(
    venue: str, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = canary(venue)
    async with Echoing(ServeOptions(venue=venue)) as server:
        address = msgspec.convert(msgspec.to_builtins(server.announcement()), ExchangeAddress)
        monkeypatch.setenv("CANARY_KEY", key)
        monkeypatch.setenv("CANARY_SECRET", secret)
        account = Account(NAME, venue, surf=True).outside("CANARY", address.urls())
        paths = Paths.from_environment()
        profile = load_profile(write_accounts("echo", [account]), user_dir=paths.profiles)
        ready: asyncio.Future[RunningHost] = asyncio.get_running_loop().create_future()
        host = asyncio.create_task(
            run_host(profile, paths, on_ready=ready.set_result, handle_signals=False)
        )
        running = await asyncio.wait_for(ready, DEADLINE_S)
        slot = running.slots[0]
        await until(lambda: bool(slot.trouble))
        status = await asyncio.to_thread(run, "status", "--json")
        shown = await asyncio.to_thread(run, "status")
        running.service.ask_stop("test over")
        await asyncio.wait_for(host, DEADLINE_S)
    body = json.loads(status.stdout)
    assert body["state"] == body["accounts"][0]["state"] == "STOPPED"
    assert shown.stdout.count("STOPPED") == 2
    assert "ACTIVE" not in shown.stdout
    assert "error sign!" in slot.trouble, "the venue's words are not told"
    lines = [one.text for one in running.service._publisher._lines]
    kept = files_in(own_home)
    told = [slot.trouble, *lines, shown.stdout, status.stdout, status.stderr]
    for text in [*(one.encode() for one in told), *kept]:
        assert key.encode() not in text
        assert key.replace("/", "\\/").encode() not in text


@pytest.mark.parametrize("key", ["CANARYkey0123456789abcdef", "ab/cd+ef/ghijklmnop="])
def test_every_way_of_writing_a_key_is_masked(key: str) -> None:
    conceal = Concealer(key)
    for form in (key, key.replace("/", "\\/"), quote(key, safe="")):
        masked = conceal.in_bytes(f'{{"msg":"sign [{form}5000]"}}'.encode())
        assert form.encode() not in masked
        assert b"***5000" in masked
        json.loads(masked)
    assert conceal.in_bytes(b'{"msg":"other words"}') == b'{"msg":"other words"}'
    assert key not in repr(conceal)
