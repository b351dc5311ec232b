"""`python -m mock_idp` and the command `mock-idp`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line. `run` switches the collector on again."""
    # Imports make many objects that stay. To examine them again and again takes a tenth of the start.
    gc.disable()
    from .command_line import main as run_command

    run_command()


if __name__ == "__main__":
    main()
