"""What the tenant reads and shows: JSON, JWTs, URLs, text for people. Nothing here knows the tenant."""
