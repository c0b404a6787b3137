"""Sockets, kept-alive HTTP, clocks: the thin shells around pure rooms."""
