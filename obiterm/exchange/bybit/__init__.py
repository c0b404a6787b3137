"""Bybit's V5 dialect of the simulated exchange: spot and linear perpetuals in one account."""
