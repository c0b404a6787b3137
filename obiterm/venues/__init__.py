"""Pure venue sessions; no venue imports another."""
