"""The example tools. Each is an async function; `example/app.py` registers them."""
