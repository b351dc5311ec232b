"""What a server process needs: settings, sockets, health, metrics and traces."""
