"""Pure decisions: what a strategy wants to have at the venue."""
