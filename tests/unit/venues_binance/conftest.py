"""What the tests of this room share."""

from __future__ import annotations

import pytest

from obiterm.venues.binance import Credentials, UserSession
from tests.unit.venues_binance.payloads import (
    ETH,
    INSTRUMENT,
)


@pytest.fixture
def session() -> UserSession:
    return UserSession(Credentials("key", "secret"), {ETH: INSTRUMENT}, deadline_ms=5000)
