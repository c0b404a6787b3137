"""The Backpack dialect of the simulated exchange."""
