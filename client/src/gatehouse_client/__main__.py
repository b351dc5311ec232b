"""`python -m gatehouse_client`."""

from .cli import main

main()
