"""Binance spot: signing, requests, messages, session, limits, errors."""
