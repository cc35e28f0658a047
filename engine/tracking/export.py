"""What was tracked, saved: annotated video and MOT text, from the window and from the command line."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engine.job import Job, Notice, Progress
from engine.knobs import Cell
from engine.media.frame import Frame, Image, Source, SourceInfo
from engine.media.writer import VideoWriter
from engine.tracking.draw import Layers, marks, paint
from engine.tracking.history import History
from engine.tracking.knobs import TrackKnobs
from engine.tracking.score import MotFile
from engine.tracking.session import load_follow, opening_any
from engine.tracking.types import TrackedFrame

_TELL_S = 0.1


class Outputs:
    """The files that are being written; each appears under its name only when all is whole.

    Args:
        info: of the source.
        names: class number -> class name.
        save: annotated video, or None.
        mot: MOT text, or None.
        layers: what is drawn into the video; None leaves the frames clean.

    Raises:
        SightlineError: a folder cannot be written to, or the disk is full.
    """

    def __init__(
        self,
        info: SourceInfo,
        names: dict[int, str],
        *,
        save: Path | None = None,
        mot: Path | None = None,
        layers: Layers | None = None,
    ) -> None:
        self._names, self._layers = names, layers
        self._stack = ExitStack()
        self.video: VideoWriter | None = None
        self.mot: MotFile | None = None
        try:
            if mot is not None:
                self.mot = self._stack.enter_context(MotFile(mot))
            if save is not None:
                writer = VideoWriter(save, info.width, info.height, info.fps or 25.0)
                self.video = self._stack.enter_context(writer)
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    def add(self, seen: TrackedFrame) -> None:
        """Draw one frame and write it to each file."""
        self.write(seen, self.drawn(seen) if self.video is not None else seen.image)

    def write(self, seen: TrackedFrame, picture: Image) -> None:
        """Write one frame that has been drawn already."""
        if self.mot is not None:
            self.mot.add(seen)
        if self.video is not None:
            self.video.write(picture)

    def drawn(self, seen: TrackedFrame) -> Image:
        """The frame with its tracks drawn on it: (H, W, 3) uint8 BGR."""
        return seen.image if self._layers is None else paint(seen.image, marks(seen, self._names, self._layers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    save: Path | None
    mot: Path | None
    frames: int
    codec: str


def export(
    text: str,
    history: History,
    names: dict[int, str],
    weights: str | Path | None,
    tracker_name: str,
    knobs: TrackKnobs,
    layers: Layers,
    *,
    save: Path | None = None,
    mot: Path | None = None,
    device: str = "auto",
    height: int = 720,
    entry: int | None = None,
) -> Job[Exported]:
    """Write a whole source with its tracks.

    Where all of it has been tracked that is used; else it is tracked from its first frame with these settings.

    Args:
        text: the source, as it was opened.
        history: what was tracked so far; not changed.
        names: class number -> class name, of the history.
        weights, tracker_name, knobs, device: for what has to be tracked.
        layers: what is drawn.
        save, mot: files to write; None leaves one out.

    Yields:
        Progress, Notice.

    Raises:
        SightlineError: the source cannot be opened, or a file cannot be written.
    """
    title = f"Export {(save or mot or Path('nothing')).name}"
    yield Progress(title)
    with ExitStack() as stack:
        source = stack.enter_context((yield from opening_any(text, height=height, entry=entry)))
        frames = source.info.frames
        if frames is not None and history.ranges() == [(0, frames - 1)]:
            job = _remembered(source, history)
        elif save is None and source.info.live:
            job = _kept(history)
        else:
            follow, _start, loaded = yield from load_follow(stack, source, weights, tracker_name, Cell(knobs), device)
            names = loaded.names
            job = follow(0)
        stack.callback(job.close)
        with Outputs(source.info, names, save=save, mot=mot, layers=layers) as outputs:
            done = yield from _write(job, outputs, title, frames)
    return Exported(save, mot, done, outputs.video.codec if outputs.video else "")


def _write(job: Any, outputs: Outputs, title: str, frames: int | None) -> Job[int]:
    done, begun, told = 0, time.monotonic(), 0.0
    for event in job:
        if not isinstance(event, TrackedFrame):
            if isinstance(event, Notice):
                yield event
            continue
        outputs.add(event)
        done += 1
        now = time.monotonic()
        if now - told >= _TELL_S:
            told = now
            left = (frames - done) * (now - begun) / done if frames else None
            yield Progress(title, done, frames, "frames", left)
    if outputs.video is not None:
        # played back before it gets its name
        yield from outputs.video.finishing()
    return done


def _remembered(source: Source, history: History) -> Job[None]:
    for event in source.frames():
        if isinstance(event, Frame):
            seen = history.with_picture(event)
            if seen is not None:
                yield seen
        else:
            yield event


def _kept(history: History) -> Job[None]:
    for index in sorted(history.frames):
        yield history.frames[index]
