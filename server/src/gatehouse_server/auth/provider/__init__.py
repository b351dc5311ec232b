"""What the server asks the identity provider: keys, introspection, metadata, token exchange. It decides nothing."""
