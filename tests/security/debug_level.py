"""A program with every logger at DEBUG, on standard error: `python -m debug_level ARGUMENTS`.

DEBUG_PROGRAM is its module. Its own configuration of the levels has no effect.
"""

from __future__ import annotations

import logging
import os
import runpy

if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s")
    logging.Logger.setLevel = lambda *_: None  # type: ignore[method-assign]
    logging.Logger.isEnabledFor = lambda *_: True  # type: ignore[method-assign]
    runpy.run_module(os.environ["DEBUG_PROGRAM"], run_name="__main__", alter_sys=True)
