"""What every command needs: arguments, progress on standard error, results on standard output."""

import argparse
import json
import math
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import SightlineError
from engine.job import Notice, Progress

_TELL_S = 5.0


class Parser(argparse.ArgumentParser):
    """Bad arguments end in one sentence too."""

    def error(self, message: str) -> NoReturn:
        raise SightlineError(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` lists what can be given.")


def add_command(commands: Any, name: str, what: str, within: str = "") -> Any:
    """A parser of one command with the options that all have.

    Args:
        commands: argparse's subparsers.
        name: of the command.
        what: it does, in half a sentence.
        within: the command that it is a part of ("inspect").
    """
    prog = " ".join(word for word in ("main.py", within, name) if word)
    parser = commands.add_parser(name, help=what, description=what[:1].upper() + what[1:] + ".", prog=prog)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where networks run")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    return parser


def fraction(text: str) -> float:
    """A number in 0..1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def positive(text: str) -> int:
    """A whole number above 0."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


class Show:
    """Writes progress and notices to standard error: one moving line on a terminal, now and then a line in a file."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._open = False
        self._told = 0.0
        self._what = ""

    def event(self, event: Any) -> None:
        """Show a Progress or a Notice; anything else is left alone."""
        if isinstance(event, Notice):
            self.line(event.text)
        elif isinstance(event, Progress):
            now = time.monotonic()
            if now - self._told < (0.1 if self._terminal else _TELL_S) and event.what == self._what:
                return
            self._told, self._what = now, event.what
            share = f" {event.share * 100:.0f} %" if event.share is not None else ""
            left = f", {event.left_s:.0f} s left" if event.left_s is not None else ""
            text = f"{event.what}{share}{left}"
            if self._terminal:
                print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
                self._open = True
            else:
                print(text, file=sys.stderr, flush=True)

    def line(self, text: str) -> None:
        """A whole line."""
        if self._open:
            print(file=sys.stderr)
            self._open = False
        print(text, file=sys.stderr, flush=True)


def say(result: Mapping[str, Any], exact: bool = False) -> None:
    """One result on standard output: JSON in a line, null for what is not a number.

    Args:
        result: what is said.
        exact: numbers keep nine digits, for scores that are compared; otherwise four decimals.
    """
    print(json.dumps(_plain(result, exact), ensure_ascii=False, allow_nan=False), flush=True)


def _plain(value: Any, exact: bool) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one, exact) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, exact) for one in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(f"{value:.9g}") if exact else round(value, 4)
    return str(value) if isinstance(value, Path) else value


def told(job: Generator[Any, None, Any], show: Show) -> Generator[Any, None, Any]:
    """Pass a job on and show what it says."""
    with closing(job):
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                return end.value
            show.event(event)
            yield event
