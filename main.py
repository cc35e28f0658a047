"""The door: opens the window, or runs one command without a window.

uv run main.py                     the window
uv run main.py SOURCE              the window with a file, a folder, a camera number or an address
uv run main.py COMMAND ...         a command; `uv run main.py --help` lists them
"""

import sys
from typing import NoReturn

from engine import runtime

runtime.prepare()

from engine import commands  # noqa: E402  (the libraries read their variables when they are imported)


def main(words: list[str]) -> NoReturn:
    """Run a command if the first word is one; else open the window."""
    if words and (words[0] in commands.COMMANDS or words[0] in ("-h", "--help", "--version")):
        sys.exit(commands.main(words))
    if words and words[0] == "open":
        words = words[1:]
    if len(words) > 1:
        print(f"One source at a time: {words[0]!r} was understood, {' '.join(words[1:])!r} was not.", file=sys.stderr)
        sys.exit(2)
    if sys.platform == "win32":
        # torch's libraries do not load once Qt's are there
        import torch  # noqa: F401
    from gui.app import start

    start(words[0] if words else None)


if __name__ == "__main__":
    main(sys.argv[1:])
