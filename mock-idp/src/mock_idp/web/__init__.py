"""Parameters, cookies and sender of a request."""
