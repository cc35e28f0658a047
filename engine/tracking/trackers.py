"""The trackers there are, by name: a table, and what all of them can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.media.frame import Image
from engine.tracking.deepsort import DeepSort
from engine.tracking.knobs import TrackKnobs
from engine.tracking.peers import BotSort, ByteTrack
from engine.tracking.reference import Reference
from engine.tracking.types import Detections, Floats, Tracks


class Tracker(Protocol):
    """Gives detections of one frame after the other their identities.

    Attributes:
        needs_embeddings: whether `update` wants to know how the detections look.
    """

    @property
    def needs_embeddings(self) -> bool: ...

    def wanted(self, detections: Detections, colours: Floats, knobs: TrackKnobs, /) -> NDArray[np.int64]:
        """The rows of the coming frame's detections, asked before `update`, whose network part can change the answer.

        Args:
            detections: of the coming frame.
            colours: (n, c) float32, the first part of their embeddings.
            knobs: as for the coming `update`.
        """
        ...

    def update(
        self, detections: Detections, embeddings: Floats | None, image: Image | None, knobs: TrackKnobs, /
    ) -> Tracks:
        """One frame on.

        Args:
            detections: what was found in it.
            embeddings: (n, d) float32, how each detection looks; rows of NaN are unknown; None where none was taken.
            image: the frame, (H, W, 3) uint8 BGR, for camera motion; None where it is not at hand.
            knobs: may differ from frame to frame.
        """
        ...

    def start_anew(self) -> None:
        """Forget all tracks (after a jump in time); their ids are never used again."""
        ...


@dataclass(frozen=True, slots=True)
class TrackerCard:
    """A tracker in the table: its name for people, one sentence, and how to build it."""

    title: str
    sentence: str
    build: Callable[[], Tracker]


TRACKERS: dict[str, TrackerCard] = {
    "deepsort": TrackerCard("DeepSORT", "Motion and appearance for all tracks at once.", DeepSort),
    "reference": TrackerCard("deep-sort-realtime", "The package's own DeepSORT, to compare with.", Reference),
    "bytetrack": TrackerCard(
        "ByteTrack", "Motion alone, with a second look at weak detections (Ultralytics).", ByteTrack
    ),
    "botsort": TrackerCard("BoT-SORT", "ByteTrack with the camera's own motion taken out (Ultralytics).", BotSort),
}


def build_tracker(name: str) -> Tracker:
    """A new tracker by its name in `TRACKERS`.

    Raises:
        SightlineError: no such name.
    """
    if name not in TRACKERS:
        raise SightlineError(f"There is no tracker {name}; choose one of {', '.join(TRACKERS)}.")
    return TRACKERS[name].build()
