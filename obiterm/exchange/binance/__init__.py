"""Binance spot dialect of the simulated exchange."""
