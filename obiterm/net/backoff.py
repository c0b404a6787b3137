"""How long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Doubling waits with full jitter and a ceiling, so that many clients never return together.

    Attributes:
        failures: tries in a row that failed.
    """

    def __init__(
        self, *, first_s: float = 0.25, ceiling_s: float = 30.0, seed: int | None = None
    ) -> None:
        self.failures = 0
        self._first_s = first_s
        self._ceiling_s = ceiling_s
        self._random = random.Random(seed)  # noqa: S311 - jitter is no secret

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait: between half and all of the step."""
        step_s = min(self._ceiling_s, self._first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return step_s * (0.5 + 0.5 * self._random.random())

    def reset(self) -> None:
        """Start again from the first step."""
        self.failures = 0

    def spread_s(self, seconds: float, share: float) -> float:
        """Return ``seconds`` less a random part of at most ``share``: staggers renewals."""
        return seconds * (1.0 - share * self._random.random())
