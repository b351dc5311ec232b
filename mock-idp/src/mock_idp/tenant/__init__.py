"""The tenant's configuration: its model, the files that describe it, and their checks."""
