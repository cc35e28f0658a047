"""Build the application, route its errors to one place, and leave in order."""

import logging
import os
import sys
from typing import NoReturn

from gui import job

log = logging.getLogger("sightline")


def leave(code: int, *, wait_ms: int = 3000) -> NoReturn:
    """End the process: ask every job to stop, wait, and name those that do not.

    A thread that hangs inside a library call can neither be joined nor killed; leaving through `os._exit` ends it with
    the process instead of aborting.
    """
    hanging = job.shutdown(wait_ms)
    if hanging:
        print(f"Left while these were still busy: {', '.join(hanging)}.", file=sys.stderr)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if hanging:
        os._exit(code)
    sys.exit(code)
