"""Many pictures one after the other, and a camera or a video frame by frame."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from engine.errors import SightlineError
from engine.inspection.model import FittedModel
from engine.inspection.types import Item, Verdict
from engine.job import Job, Notice, Progress
from engine.media.frame import Frame


@dataclass(frozen=True, slots=True)
class Examined:
    """One picture of many.

    Attributes:
        item: the picture.
        verdict: what the model says of it.
        index: its place in the row, from 0.
        total: how many there are.
    """

    item: Item
    verdict: Verdict
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame of a camera or a video, and the verdict."""

    frame: Frame
    verdict: Verdict


def examine_all(model: FittedModel, items: Sequence[Item]) -> Job[int]:
    """Inspect pictures: yields `Examined`, `Progress` and, for one that cannot be read, a `Notice`.

    Returns:
        How many could be inspected.
    """
    begun, good = time.monotonic(), 0
    for index, item in enumerate(items):
        try:
            verdict = model.examine(model.read(item.path), str(item.path))
        except SightlineError as error:
            yield Notice(f"Left out: {error}")
            continue
        good += 1
        yield Examined(item, verdict, index, len(items))
        left = (time.monotonic() - begun) / (index + 1) * (len(items) - index - 1)
        yield Progress("Inspecting", index + 1, len(items), "pictures", left)
    return good


def examine_source(model: FittedModel, text: str) -> Job[None]:
    """Inspect a camera, a stream or a video: yields `SeenFrame`, `Progress` while it opens, `Notice`.

    A live source drops the frames that come while one is inspected; a file is seen whole.

    Raises:
        SightlineError: the source cannot be opened.
    """
    from engine.media.source import opening

    with (yield from opening(text)) as source:
        # a generator, though the protocol says no more than that it can be iterated
        frames: Any = source.frames(0)
        with closing(frames):
            for seen in frames:
                if isinstance(seen, Frame):
                    yield SeenFrame(seen, model.examine(seen.image, f"{source.info.name} {seen.index}"))
                else:
                    yield seen
