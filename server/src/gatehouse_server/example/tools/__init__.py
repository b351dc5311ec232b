"""The example tools. Each is a plain async function; `example.py` registers them."""
