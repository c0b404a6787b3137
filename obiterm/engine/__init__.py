"""One account, asynchronous: feeds, order routing, reconciliation, panic."""
