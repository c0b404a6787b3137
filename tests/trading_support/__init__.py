"""A kernel to talk to event by event, and engines on a real exchange."""
