"""The command line: the same calls as the pages make, without a window.

Standard output carries results alone, one JSON object a line; progress and notices go to standard error, and for bad
input its last line is the one sentence. Exit status: 0 done, 2 bad input, 130 interrupted, 1 a defect of ours.
"""

import argparse
import math
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from engine.commands_base import Parser, Show, add_command, fraction, positive, say, told
from engine.commands_explain import add_explain, explain
from engine.commands_inspect import add_inspect, inspect
from engine.commands_race import add_race, race
from engine.commands_search import add_search, search
from engine.commands_train import add_train, train
from engine.errors import SightlineError
from engine.job import Job, Progress, drive

VERSION = "0.1.0"


def main(words: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    show = Show()
    try:
        asked = _parser().parse_args(words)
        _numbers(asked.seed)
        drive(COMMANDS[asked.command](asked, show))
    except KeyboardInterrupt:
        show.line("Interrupted; nothing was left half-written.")
        return 130
    except SightlineError as error:
        show.line(str(error))
        return 2
    except BrokenPipeError:
        # the reader of our results has gone away
        sys.stderr.close()
        return 0
    except Exception:
        show.line(traceback.format_exc().rstrip())
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="main.py",
        description="Sightline without a window. A first word that is no command is a source to open in the window.",
    )
    parser.add_argument("--version", action="version", version=f"Sightline {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    track = add_command(commands, "track", "follow what moves in a source")
    track.add_argument("source", metavar="SOURCE", help="file, folder, camera number, address, or example:crowd")
    track.add_argument("--weights", metavar="FILE|NAME", help="the detector (default yolo11n)")
    track.add_argument("--classes", metavar="A,B", default="", help="only these class names")
    track.add_argument("--conf", type=fraction, help="least confidence, 0..1 (default 0.25)")
    track.add_argument("--iou", type=fraction, help="overlap at which a weaker box goes, 0..1 (default 0.7)")
    track.add_argument("--size", type=positive, help="longer side that the network sees, pixels (default 640)")
    track.add_argument(
        "--tracker", choices=("deepsort", "reference", "bytetrack", "botsort"), default="deepsort",
        help="deepsort is Sightline's own, reference is deep-sort-realtime",
    )  # fmt: skip
    pace = track.add_mutually_exclusive_group()
    pace.add_argument("--every-frame", action="store_true", help="never drop a frame")
    pace.add_argument("--live", action="store_true", help="keep to the source's own rate and drop what is late")
    track.add_argument("--frames", type=positive, metavar="N", help="stop after so many frames")
    track.add_argument("--mot", type=Path, metavar="FILE", help="write the tracks as MOT text")
    track.add_argument("--save", type=Path, metavar="FILE.mp4", help="write annotated video")
    track.add_argument("--truth", type=Path, metavar="GT.txt", help="MOT ground truth to score against")
    track.add_argument("--no-draw", action="store_true", help="draw nothing")
    download = add_command(commands, "download", "fetch a video from a page or an address")
    download.add_argument("address", metavar="ADDRESS")
    download.add_argument("--height", default="best", metavar="best|1080|720", help="highest picture height to take")
    download.add_argument("--entry", type=positive, metavar="N", help="which entry of a playlist, from 1")
    download.add_argument("--out", type=Path, metavar="FOLDER", help="where to put it")
    add_inspect(commands)
    add_explain(commands)
    add_train(commands)
    add_race(commands)
    add_search(commands)
    add_command(commands, "doctor", "check what this machine has and lacks")
    return parser


def _numbers(seed: int) -> None:
    import random

    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)


def _track(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.knobs import Cell
    from engine.tracking.draw import Layers
    from engine.tracking.export import Outputs
    from engine.tracking.knobs import TrackKnobs
    from engine.tracking.score import read_mot, score
    from engine.tracking.session import load_follow, opening_any
    from engine.tracking.types import TrackedFrame

    given = {"confidence": asked.conf, "iou": asked.iou, "size": asked.size}
    knobs = TrackKnobs(**{name: value for name, value in given.items() if value is not None})
    classes = tuple(word.strip() for word in asked.classes.split(",") if word.strip())
    if classes:
        from dataclasses import replace

        knobs = replace(knobs, classes=classes)
    if asked.truth is not None:
        read_mot(asked.truth)
    layers = None if asked.no_draw else Layers()
    every = True if asked.every_frame else False if asked.live else None
    with ExitStack() as stack:
        begun = time.monotonic()
        source = stack.enter_context((yield from told(opening_any(asked.source), show)))
        weights = asked.weights or default_weights(asked.source)
        path = yield from _weights(weights, show)
        cell = Cell(knobs)
        follow, _anew, loaded = yield from told(
            load_follow(stack, source, path, asked.tracker, cell, asked.device, stop=asked.frames, every_frame=every),
            show,
        )
        load_s = time.monotonic() - begun
        job = stack.enter_context(closing(follow(0)))
        total = min(asked.frames or math.inf, source.info.frames or math.inf)
        rows: list[TrackedFrame] = []
        with Outputs(source.info, loaded.names, save=asked.save, mot=asked.mot, layers=layers) as outputs:
            count = _Count(None if total == math.inf else total, source.info.name)
            for event in job:
                if not isinstance(event, TrackedFrame):
                    show.event(event)
                    continue
                count.add(event, outputs)
                if asked.truth is not None:
                    rows.append(_bare(event))
                show.event(count.progress())
                yield None
        scores = None
        if asked.truth is not None:
            # a run that was cut short is compared over what it saw
            found = score(asked.truth, rows, frames=asked.frames)
            scores = {"HOTA": found.HOTA, "IDF1": found.IDF1, "MOTA": found.MOTA, "switches": found.switches}
        say(
            {
                "source": asked.source, "weights": str(weights), "frames": count.frames, "dropped": count.dropped,
                "fps": count.fps(), "load_s": load_s, "ms": count.mean_ms(), "ids": len(count.classes),
                "counts": count.by_class(loaded.names), "lines": [], "zones": [], "scores": scores,
                "tracker": asked.tracker, "runtime": loaded.runtime,
            }
        )  # fmt: skip


def default_weights(source: str) -> str:
    """The drawn example has its own small network; anything real wants a real one."""
    from engine.tracking.example import EXAMPLE_WEIGHTS

    return str(EXAMPLE_WEIGHTS) if source.startswith("example:") else "yolo11n"


def _weights(name: str, show: Show) -> Job[str]:
    """A file that is here; a known one that is not is fetched, and said."""
    from engine.weights.cards import find_card
    from engine.weights.fetch import fetch, locate

    path = locate(name)
    if path is not None:
        return str(path)
    card = find_card(name)
    if card is None:
        return name
    show.line(f"{card.title} is not here yet: fetching it from {card.address} ({card.licence}).")
    return str((yield from told(fetch(card), show)))


def _bare(seen: Any) -> Any:
    from dataclasses import replace

    return replace(seen, image=seen.image[:0, :0], trails={})


class _Count:
    """What a run of `track` adds up to."""

    def __init__(self, total: float | None, name: str) -> None:
        self._total, self._name = total, name
        self.frames = self.dropped = 0
        self.classes: dict[int, int] = {}
        self._ms = dict.fromkeys(("decode", "detect", "embed", "associate", "draw"), 0.0)
        self._begun = time.monotonic()
        self._last = self._begun

    def add(self, seen: Any, outputs: Any) -> None:
        """Write one frame and count it."""
        before = time.perf_counter()
        picture = outputs.drawn(seen)
        self._ms["draw"] += 1e3 * (time.perf_counter() - before)
        outputs.write(seen, picture)
        for key in self._ms:
            self._ms[key] += seen.ms.get(key, 0.0)
        self.frames += 1
        self.dropped = seen.dropped
        self.classes.update(zip(seen.tracks.ids.tolist(), seen.tracks.classes.tolist(), strict=True))
        self._last = time.monotonic()

    def fps(self) -> float | None:
        """Frames a second from the first read to the last result; None without a frame."""
        return self.frames / max(1e-9, self._last - self._begun) if self.frames else None

    def mean_ms(self) -> dict[str, float]:
        """Milliseconds a frame of each stage."""
        return {key: value / max(1, self.frames) for key, value in self._ms.items()}

    def by_class(self, names: dict[int, str]) -> dict[str, int]:
        """How many confirmed tracks there were of each class."""
        found: dict[str, int] = {}
        for number in self.classes.values():
            name = names.get(number, str(number))
            found[name] = found.get(name, 0) + 1
        return found

    def progress(self) -> Progress:
        """How far the run is."""
        took = time.monotonic() - self._begun
        left = (self._total - self.frames) * took / self.frames if self._total else None
        return Progress(f"Tracking {self._name}", self.frames, self._total, "frames", left)


def _download(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.media.youtube import download, downloads

    if asked.height != "best" and not asked.height.isdigit():
        raise SightlineError(f"{asked.height} is no height; give best or a number of pixels such as 720.")
    height = None if asked.height == "best" else int(asked.height)
    entry = None if asked.entry is None else asked.entry - 1
    path = yield from told(download(asked.address, height=height, folder=asked.out, entry=entry), show)
    found = next(video for video in downloads() if video.path == path.absolute())
    say(
        {
            "file": path, "title": found.title, "width": found.width, "height": found.height, "fps": found.fps,
            "duration_s": found.duration_s, "bytes": found.bytes,
        }
    )  # fmt: skip


def _doctor(_asked: argparse.Namespace, _show: Show) -> Job[None]:
    from engine.doctor import examine

    for check in examine():
        say({"check": check.name, "ok": check.ok, "say": check.say})
        yield None


COMMANDS: dict[str, Callable[[argparse.Namespace, Show], Job[None]]] = {
    "track": _track,
    "download": _download,
    "inspect": inspect,
    "explain": explain,
    "train": train,
    "race": race,
    "search": search,
    "doctor": _doctor,
}
"""The commands by name; any other first word is a source."""
