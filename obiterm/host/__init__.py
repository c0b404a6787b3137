"""The engine host process: supervision, lease, publisher, detach policy."""
