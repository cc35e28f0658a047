"""DeepSORT (Wojke, Bewley, Paulus 2017) for all tracks at once, and what has been learnt since.

`PAPER` is the paper's method as deep-sort-realtime computes it. `SIGHTLINE`, the default, adds what was measured to
help: see DECISIONS.md. The numbers in the comments are the paper's sections and the lines of its listing 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.media.frame import Image
from engine.tracking import kalman
from engine.tracking.association import IMPOSSIBLE, Gallery, assign, iou, unit_length
from engine.tracking.kalman import Floats
from engine.tracking.knobs import TrackKnobs
from engine.tracking.types import Detections, Tracks

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Method:
    """What a `DeepSort` does beyond its knobs.

    Attributes:
        budget: embeddings kept of each track (the paper's L_k).
        momentum: share of the old descriptor in the moving average; None keeps the last `budget` instead.
        max_iou_distance: 1 - IoU up to which a detection may be taken for a track by overlap alone.
        weak_iou_distance: the same for a weak detection.
        nsa: measurement noise falls with confidence.
    """

    budget: int = 100
    momentum: float | None = None
    max_iou_distance: float = 0.7
    weak_iou_distance: float = 0.5
    nsa: bool = False
    joint: bool = False
    weight: float = 0.5
    gate: float = kalman.CHI2_95
    lost_gate: float = kalman.CHI2_95
    weak: bool = False
    measured_box: bool = False
    new_above: float = 0.0
    iou_since: int = 1
    sure: float = 2.0
    min_iou: float = 0.0
    recent: float = 0.0


PAPER = Method()


class _Follow:
    """All tracks, alive or lost, as parallel arrays in the order in which they began."""

    def __init__(self) -> None:
        self.state: Floats = np.zeros((0, 5, 4))
        self.ids: Ints = np.zeros(0, np.int64)
        self.classes: Ints = np.zeros(0, np.int64)
        self.hits: Ints = np.zeros(0, np.int64)
        self.ages: Ints = np.zeros(0, np.int64)
        self.since: Ints = np.zeros(0, np.int64)
        self.confirmed: Bools = np.zeros(0, bool)
        self.places: Ints = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, stays: Bools) -> None:
        for name, array in vars(self).items():
            setattr(self, name, array[stays])

    def append(self, **new: NDArray) -> None:
        for name, array in vars(self).items():
            setattr(self, name, np.concatenate([array, new[name]]))


class DeepSort:
    needs_embeddings = True

    def __init__(self, method: Method = PAPER) -> None:
        self._method = method
        self._next_id = 1
        self.start_anew()

    def wanted(self, detections: Detections, knobs: TrackKnobs) -> Ints:
        return np.arange(len(detections))

    def start_anew(self) -> None:
        self._gallery = Gallery(self._method.budget, self._method.momentum)
        self._all = _Follow()

    def update(
        self, detections: Detections, embeddings: NDArray[np.float32] | None, image: Image | None, knobs: TrackKnobs
    ) -> Tracks:
        m = self._method
        size = detections.boxes[:, 2:] - detections.boxes[:, :2]
        rows = np.flatnonzero((size > 0).all(axis=1))
        det = detections.take(rows)
        unit = None if embeddings is None else unit_length(np.asarray(embeddings, np.float32)[rows])
        z = kalman.measure(det.boxes)
        t = self._all
        t.state = kalman.predict(t.state)
        t.ages = t.ages + 1
        t.since = t.since + 1
        strong = det.confidences >= knobs.confidence if m.weak else np.ones(len(det), bool)
        pairs_t, pairs_d = self._match(det, unit, z, strong, knobs)
        free = np.ones(len(det), bool)
        free[pairs_d] = False
        doubt = (1.0 - det.confidences[pairs_d].astype(np.float64)) if m.nsa else None
        t.state[pairs_t] = kalman.update(t.state[pairs_t], z[pairs_d], doubt)
        t.hits[pairs_t] += 1
        t.since[pairs_t] = 0
        if unit is not None:
            ok = strong[pairs_d]
            self._gallery.add(t.places[pairs_t[ok]], unit[pairs_d[ok]])
        row_of = np.full(len(t), -1)
        row_of[pairs_t] = pairs_d
        t.confirmed |= (t.since == 0) & (t.hits >= knobs.confirm_after)
        gone = (t.since > 0) & (~t.confirmed | (t.since > knobs.keep_lost))
        self._gallery.close(t.places[gone])
        t.keep(~gone)
        row_of = row_of[~gone]
        new = np.flatnonzero(free & strong & (det.confidences >= m.new_above))
        n = len(new)
        if n:
            places = self._gallery.open(n)
            if unit is not None:
                self._gallery.add(places, unit[new])
            t.append(
                state=kalman.initiate(z[new]),
                ids=np.arange(self._next_id, self._next_id + n),
                classes=det.classes[new],
                hits=np.ones(n, np.int64),
                ages=np.ones(n, np.int64),
                since=np.zeros(n, np.int64),
                confirmed=np.full(n, knobs.confirm_after <= 1),
                places=places,
            )
            self._next_id += n
            row_of = np.concatenate([row_of, new])
        show = t.confirmed & (t.since == 0)
        r = row_of[show]
        boxes = det.boxes[r] if m.measured_box else kalman.boxes_of(t.state[show]).astype(np.float32)
        return Tracks(
            t.ids[show].copy(),
            boxes,
            det.confidences[r],
            det.classes[r],
            t.ages[show],
            t.state[show, 1, :2].astype(np.float32),
            rows[r],
        )

    def _match(self, det, unit, z, strong, knobs):
        m = self._method
        t = self._all
        overlap = iou(kalman.boxes_of(t.state), det.boxes.astype(np.float64))
        same = t.classes[:, None] == det.classes[None]
        mt, md = [], []
        free_t = np.ones(len(t), bool)
        free_d = strong.copy()

        def stage(cost, who, which, limit):
            i, j = np.flatnonzero(who), np.flatnonzero(which)
            r, c = assign(np.where(same[np.ix_(i, j)], cost[np.ix_(i, j)], IMPOSSIBLE), limit)
            mt.append(i[r])
            md.append(j[c])
            free_t[i[r]] = False
            free_d[j[c]] = False

        d = kalman.gate_distance(t.state, z)
        if unit is not None:
            look = self._gallery.distance(t.places, unit)
        else:
            look = np.full(overlap.shape, IMPOSSIBLE)
        if not m.joint:
            cost = np.where(d > m.gate, IMPOSSIBLE, look)
            for level in np.unique(t.since[t.confirmed]):
                if level > knobs.keep_lost:
                    break
                stage(cost, t.confirmed & (t.since == level), free_d, knobs.appearance)
            stage(1 - overlap, free_t & (~t.confirmed | (t.since <= m.iou_since)), free_d, m.max_iou_distance)
        else:
            # fused
            seen = (t.since == 1)[:, None]
            g = np.where(seen, m.gate, m.lost_gate)
            okA = (look <= knobs.appearance) & (d <= g)
            okI = (1 - overlap <= m.max_iou_distance) & (t.since <= m.iou_since)[:, None]
            la = np.minimum(look, knobs.appearance) / knobs.appearance
            cost = m.weight * la + (1 - m.weight) * (1 - overlap) + m.recent * np.minimum(t.since - 1, 30)[:, None] / 30
            cost = np.where((okA & (overlap >= m.min_iou)) | okI, cost, IMPOSSIBLE)
            stage(cost, t.confirmed, free_d, 10)
            if m.weak:
                weak = ~strong
                stage(1 - overlap, free_t & t.confirmed & (t.since == 1), weak, m.weak_iou_distance)
            stage(1 - overlap, free_t & ~t.confirmed, free_d & strong, m.max_iou_distance)
        if not m.joint and m.weak:
            stage(1 - overlap, free_t & t.confirmed & (t.since == 1), ~strong, m.weak_iou_distance)
        cat = lambda x: np.concatenate(x) if x else np.zeros(0, np.int64)
        return cat(mt).astype(np.int64), cat(md).astype(np.int64)
