"""The example server. It uses only the public API of `gatehouse_server`. Replace its tools with your own."""
