"""Values, instruments, events, effects, commands, errors and the clock protocol."""
