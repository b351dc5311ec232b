"""The HTTP client of the sign-in: fetching, network settings, URLs and the trace."""
