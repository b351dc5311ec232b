"""The OAuth 2.1 protocol: discovery, registration, authorization, tokens."""
