"""HTTP as far as it knows nothing of the tenant: listening, serving, TLS, CORS, the access log, outgoing requests."""
