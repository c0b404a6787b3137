"""Binance USD-M futures: the venue's shared side and one private side for each account."""
