"""Whose token it is, and whether it is valid for this server."""
