"""The same host on loopback sockets that the fault tests use."""

from tests.faults.conftest import probe, runs

__all__ = ["probe", "runs"]
