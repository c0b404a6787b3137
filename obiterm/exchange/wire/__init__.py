"""What every wire dialect is built from: sockets, streams, keys, faults, the back door."""
