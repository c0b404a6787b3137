"""What the tests of this room share."""

from __future__ import annotations

import pytest

from obiterm.venues.bybit import UserSession
from tests.unit.venues_bybit.payloads import BOTH, KEY


@pytest.fixture
def session() -> UserSession:
    return UserSession(KEY, BOTH)
