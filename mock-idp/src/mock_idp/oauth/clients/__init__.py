"""Clients: how they authenticate, how they register, and their metadata documents."""
