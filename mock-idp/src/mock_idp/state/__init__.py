"""The state of a running tenant: grants and sessions, keys, clock, journal, log, faults."""
