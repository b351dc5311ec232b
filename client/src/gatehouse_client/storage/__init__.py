"""Stored tokens: private files, encrypted if the system has a keyring."""
