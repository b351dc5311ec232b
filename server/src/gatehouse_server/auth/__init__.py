"""Authentication and authorization of requests. Nothing in this folder depends on the app or its settings."""
