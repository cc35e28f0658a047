"""ByteTrack and BoT-SORT of Ultralytics behind Sightline's protocol, with Ultralytics' own defaults."""

from itertools import count
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.media.frame import Image
from engine.tracking.knobs import TrackKnobs
from engine.tracking.types import Detections, Floats, Tracks


class _Boxes:
    """What Ultralytics' trackers read of a result: `conf`, `cls`, `xywh`, `xyxy`, and rows by a mask."""

    def __init__(self, boxes: Floats, confidences: Floats, classes: NDArray[np.int64]) -> None:
        self.xyxy, self.conf, self.cls = boxes, confidences, classes

    @property
    def xywh(self) -> Floats:
        size = self.xyxy[:, 2:] - self.xyxy[:, :2]
        return np.concatenate([self.xyxy[:, :2] + size / 2, size], axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, rows: NDArray[Any]) -> Self:
        return type(self)(self.xyxy[rows], self.conf[rows], self.cls[rows])


class _Peer:
    """A tracker of Ultralytics. Each has its own ids, which go on after `start_anew`; invalid boxes are left out.

    `keep_lost` and `confidence` are turned by the knobs; `confirm_after` and `appearance` mean nothing to it.
    """

    needs_embeddings = False
    _settings = "bytetrack.yaml"

    def __init__(self) -> None:
        self._ids = count(1)
        self._inner = self._build()

    def start_anew(self) -> None:
        """Forget all tracks; ids go on where they were."""
        self._inner = self._build()

    def wanted(self, _detections: Detections, _colours: Floats, _knobs: TrackKnobs) -> NDArray[np.int64]:
        """None: it looks at boxes alone."""
        return np.zeros(0, np.int64)

    def update(
        self, detections: Detections, _embeddings: Floats | None, image: Image | None, knobs: TrackKnobs
    ) -> Tracks:
        """One frame on; see `engine.tracking.trackers.Tracker`."""
        inner = self._inner
        inner.max_frames_lost = knobs.keep_lost
        inner.args.track_high_thresh = inner.args.new_track_thresh = knobs.confidence
        out = inner.update(_Boxes(detections.boxes, detections.confidences, detections.classes), image)
        if not len(out):
            return Tracks.none()
        alive = {track.track_id: track for track in inner.tracked_stracks}
        seen = [alive[int(row[4])] for row in out]
        rows = out[:, 7].astype(np.int64)
        return Tracks(
            ids=np.array([track.track_id for track in seen], np.int64),
            boxes=out[:, :4].astype(np.float32),
            confidences=detections.confidences[rows],
            classes=detections.classes[rows],
            ages=np.array([track.frame_id - track.start_frame + 1 for track in seen], np.int64),
            velocities=np.array([track.mean[4:6] for track in seen], np.float32),
            rows=rows,
            masks=None if detections.masks is None else [detections.masks[row] for row in rows.tolist()],
            keypoints=None if detections.keypoints is None else detections.keypoints[rows],
        )

    def _build(self) -> Any:
        from ultralytics.trackers import BOTSORT, BYTETracker
        from ultralytics.utils import YAML, IterableSimpleNamespace
        from ultralytics.utils.checks import check_yaml

        settings = IterableSimpleNamespace(**YAML.load(check_yaml(self._settings)))
        inner = {"bytetrack": BYTETracker, "botsort": BOTSORT}[settings.tracker_type](settings)
        inner._ids = self._ids
        return inner


class ByteTrack(_Peer):
    """ByteTrack (Zhang et al. 2022): weak detections continue tracks by overlap."""


class BotSort(_Peer):
    """BoT-SORT (Aharon et al. 2022) without appearance, as Ultralytics sets it: ByteTrack with camera motion."""

    _settings = "botsort.yaml"
