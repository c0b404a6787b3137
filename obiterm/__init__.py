"""obiterm: a terminal for trading crypto over SSH."""

__version__ = "0.1.0"
