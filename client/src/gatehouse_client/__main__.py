"""`python -m gatehouse_client`."""

from .cli.app import main

main()
