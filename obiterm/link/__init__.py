"""Messages between the screen and the host, and their Unix socket."""
