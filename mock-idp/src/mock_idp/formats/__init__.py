"""JSON, JWTs, URLs and texts. No module here depends on the tenant."""
