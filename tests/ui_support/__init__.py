"""A made-up market and a small app that shows the panes, for tests and for looking."""
