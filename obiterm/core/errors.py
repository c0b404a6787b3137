"""Errors by what the caller does with them.

::

    ObitermError            title, message, hint
    ├── UsageError          bad flags, files, profiles: tell and exit 2
    │   └── ConfigError     names the field, the value, what was expected
    ├── DataError           a capture, a journal or a message is damaged: tell where
    ├── VenueError          a venue answered; code and text are its own
    │   ├── RetryLater      nothing happened, try again after ``retry_after_ms``
    │   ├── Refused         the venue said no; do not repeat unchanged
    │   └── AccountStopped  key, permission or ban: stop this account
    ├── OutcomeUnknown      the venue may have acted: ask, never re-send
    └── HostGone            the engine host does not answer
"""

from __future__ import annotations


class ObitermError(Exception):
    """Base of all expected failures.

    Attributes:
        title: what went wrong, in a few words.
        message: the one sentence a user needs.
        hint: how to mend it; may be empty.
    """

    title = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(ObitermError):
    """The user asked for something that cannot be done as asked (exit 2)."""

    title = "usage"


class ConfigError(UsageError):
    """A profile, theme or setting is wrong (exit 2)."""

    title = "configuration"

    def __init__(
        self, field: str, value: object, expected: str, *, where: str = "", hint: str = ""
    ) -> None:
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{field} = {value!r}: expected {expected}", hint=hint)
        self.field = field
        self.value = value
        self.expected = expected


class DataError(ObitermError):
    """Stored or received data is damaged; the message says where."""

    title = "data"


class VenueError(ObitermError):
    """A venue answered with a failure.

    Attributes:
        code: the venue's own code, as text.
        text: the venue's own words (R13).
    """

    title = "venue"

    def __init__(self, code: str, text: str, *, hint: str = "") -> None:
        super().__init__(f"{code} {text}".strip(), hint=hint)
        self.code = code
        self.text = text


class RetryLater(VenueError):
    """Nothing happened at the venue; try again after ``retry_after_ms``."""

    def __init__(self, code: str, text: str, *, retry_after_ms: int = 0) -> None:
        super().__init__(code, text)
        self.retry_after_ms = retry_after_ms


class Refused(VenueError):
    """The venue refused; repeating it unchanged would be refused again."""


class AccountStopped(VenueError):
    """Key, permission or ban: this account must stop and tell the user."""


class OutcomeUnknown(ObitermError):
    """The request may have reached the venue; its result must be asked for."""

    title = "unknown outcome"


class HostGone(ObitermError):
    """The engine host does not answer."""

    title = "host"
