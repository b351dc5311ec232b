"""The authorization endpoint, and the pages between the request and its answer."""
