"""Append-only, hash-chained log on disk."""
