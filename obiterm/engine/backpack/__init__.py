"""Backpack, spot and perpetuals."""
