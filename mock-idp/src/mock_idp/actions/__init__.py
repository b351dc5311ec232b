"""Actions: a tenant's own code, written for Auth0, in a node process of its own."""
