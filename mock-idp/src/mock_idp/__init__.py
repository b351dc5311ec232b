"""An Auth0 tenant that runs offline, for development and tests only."""
