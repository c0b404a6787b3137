"""Profiles, paths, themes and settings."""
