"""HTTP without knowledge of the tenant: serving, TLS, middleware, outgoing requests."""
