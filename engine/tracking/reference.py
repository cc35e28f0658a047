"""deep-sort-realtime as a choice: its own mathematics, fed with Sightline's embeddings and with valid boxes only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.media.frame import Image
from engine.tracking.knobs import TrackKnobs
from engine.tracking.types import Detections, Floats, Tracks

_BUDGET = 100


class Reference:
    """deep-sort-realtime 1.3.2 behind Sightline's protocol.

    Its faults are kept out at the door: invalid boxes never reach it (they would shift the embeddings by one), its
    gallery has a budget (without one it grows for ever), its ids become numbers, and starting anew makes a new
    instance (a reset keeps old appearance) that counts on. It knows no classes: a track may pass from one to another.
    """

    needs_embeddings = True

    def __init__(self) -> None:
        self._first_id = 1
        self._last_id = 0
        self._inner = self._build()

    def start_anew(self) -> None:
        """Forget all tracks; ids go on where they were."""
        self._inner = self._build()
        self._first_id = self._last_id + 1

    def wanted(self, detections: Detections, _colours: Floats, _knobs: TrackKnobs) -> NDArray[np.int64]:
        """All of them."""
        return np.arange(len(detections))

    def update(
        self, detections: Detections, embeddings: Floats | None, _image: Image | None, knobs: TrackKnobs
    ) -> Tracks:
        """One frame on; see `engine.tracking.trackers.Tracker`. Boxes are the filter's, as the package gives them."""
        inner = self._tuned(knobs)
        # it divides by the height, and by the length of the embedding
        valid = (detections.boxes[:, 2:] > detections.boxes[:, :2]).all(axis=1)
        if embeddings is None:
            embeddings = np.ones((len(detections), 1), np.float32)
        valid &= np.isfinite(embeddings).all(axis=1) & (embeddings != 0).any(axis=1)
        rows = np.flatnonzero(valid)
        boxes = detections.boxes[rows]
        raw = [
            ((box[0], box[1], box[2] - box[0], box[3] - box[1]), confidence, number)
            for box, confidence, number in zip(
                boxes.tolist(), detections.confidences[rows].tolist(), detections.classes[rows].tolist(), strict=True
            )
        ]
        every = inner.update_tracks(raw, embeds=list(embeddings[rows]), others=rows.tolist())
        self._last_id = self._first_id + inner.tracker._next_id - 2
        seen = [track for track in every if track.is_confirmed() and track.time_since_update == 0]
        if not seen:
            return Tracks.none()
        found = np.array([track.get_det_supplementary() for track in seen], np.int64)
        return Tracks(
            ids=np.array([self._first_id + int(track.track_id) - 1 for track in seen], np.int64),
            boxes=np.array([track.to_ltrb() for track in seen], np.float32),
            confidences=detections.confidences[found],
            classes=detections.classes[found],
            ages=np.array([track.age for track in seen], np.int64),
            velocities=np.array([track.mean[4:6] for track in seen], np.float32),
            rows=found,
            masks=None if detections.masks is None else [detections.masks[row] for row in found.tolist()],
            keypoints=None if detections.keypoints is None else detections.keypoints[found],
        )

    def _tuned(self, knobs: TrackKnobs) -> Any:
        """The package's tracker with the knobs as they stand now."""
        tracker = self._inner.tracker
        tracker.max_age, tracker.n_init = knobs.keep_lost, knobs.confirm_after
        tracker.metric.matching_threshold = knobs.appearance
        for track in tracker.tracks:
            track._max_age, track._n_init = knobs.keep_lost, knobs.confirm_after
        return self._inner

    @staticmethod
    def _build() -> Any:
        from deep_sort_realtime.deepsort_tracker import DeepSort

        return DeepSort(embedder=None, nn_budget=_BUDGET)
