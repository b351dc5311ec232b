"""The example server of this repository. It uses only the public API of `gatehouse_server`. Put your tools in."""
