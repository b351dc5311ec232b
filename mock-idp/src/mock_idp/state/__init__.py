"""What a running tenant remembers: grants and sessions, keys, clock, journal, log, ordered faults."""
