"""Sockets, kept-alive HTTP, clocks: the thin shells around pure rooms."""

from obiterm.net.backoff import Backoff
from obiterm.net.clock import SystemClock
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.net.ws import Socket, SocketOptions

__all__ = ["Backoff", "HttpPool", "HttpReply", "Socket", "SocketOptions", "SystemClock"]
