"""Bybit V5 in the engine: spot and linear perpetuals of unified accounts (docs/venues-bybit.md)."""
