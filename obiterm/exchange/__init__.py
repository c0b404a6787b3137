"""The simulated exchange: matching, flow, replay, wire dialects, faults."""
