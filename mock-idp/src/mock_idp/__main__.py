"""`python -m mock_idp` and the command `mock-idp`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line. `run` sets the collector's usual thresholds again."""
    # Imports make many objects that stay. To examine them again and again takes a tenth of the start. Without the
    # collector, garbage takes a megabyte.
    gc.set_threshold(10_000, 20, 100)
    from .command_line import main as run_command

    run_command()


if __name__ == "__main__":
    main()
