"""The token endpoint: its grants and the tokens that it issues."""
