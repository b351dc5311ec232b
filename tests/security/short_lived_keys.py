"""The example server with keys that expire at once, so that no test waits for that: `python -m short_lived_keys`."""

from __future__ import annotations

import logging.config

import uvicorn

from gatehouse_example.app import example_app
from gatehouse_example.settings import ExampleSettings
from gatehouse_server.__main__ import LOGGING, server_config
from gatehouse_server.auth.provider.keys import KeyLimits, SigningKeys
from gatehouse_server.serving.listening import listening_sockets
from gatehouse_server.serving.settings import load_settings

FETCH_SECONDS = 4.0
LIMITS = KeyLimits(
    timeout=FETCH_SECONDS,
    stale_wait=0.1,
    min_age=0.3,
    max_age=0.3,
    max_stale=3600,
    unknown_key_cooldown=0.3,
    failure_cooldown=0.3,
    longest_cooldown=0.3,
)


def main() -> None:
    """Serve until a signal arrives."""
    settings = load_settings(ExampleSettings)
    sockets = listening_sockets(settings.host, settings.port)
    logging.config.dictConfig(LOGGING)
    keys = SigningKeys(settings.jwks_url, settings.algorithm, limits=LIMITS)
    uvicorn.Server(server_config(example_app(settings, keys=keys), settings)).run(sockets=sockets)


if __name__ == "__main__":
    main()
