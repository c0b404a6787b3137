"""Simulated-time runs: replay at full speed."""
