"""Kernel step, order states, positions, risk gate, panic states."""
