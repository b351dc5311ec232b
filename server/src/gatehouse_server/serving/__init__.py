"""The process: settings, sockets, health, metrics, traces."""
