"""DeepSORT for all tracks at once: Wojke, Bewley, Paulus 2017, and what has been learnt since.

The comments follow the paper: its sections, its listing 1 (the matching cascade), its symbols (d(1) motion,
d(2) appearance, A_max the age at which a lost track is given up). `PAPER` is its method, number for number what
deep-sort-realtime computes; `SIGHTLINE`, the default, adds what was measured to help (DECISIONS.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.media.frame import Image
from engine.tracking import kalman
from engine.tracking.association import IMPOSSIBLE, Gallery, assign, iou
from engine.tracking.kalman import VELOCITY, Floats
from engine.tracking.knobs import TrackKnobs
from engine.tracking.types import Detections, Ints, Tracks
from engine.tracking.types import Floats as Embeddings

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Method:
    """What a `DeepSort` does beyond its knobs.

    Attributes:
        max_iou_distance: 1 - IoU up to which a detection may be taken for a track by overlap alone.
        gate: t(1), the squared Mahalanobis distance beyond which a pair is impossible.
        budget: L_k, how many embeddings are kept of a track.
        momentum: share of the old in a moving average that is kept instead (Wang et al. 2020); None keeps `budget`.
        colours: how many numbers at the beginning of an embedding are colours; what follows is the network's part,
            which may be unknown (NaN). 0: the embedding is one part.
        network_share: the weight of the network's part where it is known on both sides, 0..1.
        overlaps: a detection must touch the box where a track is expected to be, however it looks.
        by_confidence: the less confident a detection, the less it moves its track (NSA, Du et al. 2021).
        slowing: what remains, a frame, of the speed at which a lost track's height changes.
        hesitates: a new track that never was surely a thing waits so many times longer for its number.
    """

    max_iou_distance: float = 0.7
    gate: float = kalman.CHI2_95
    budget: int = 100
    momentum: float | None = None
    colours: int = 0
    network_share: float = 1.0
    overlaps: bool = False
    by_confidence: bool = False
    slowing: float = 1.0
    hesitates: int = 1


PAPER = Method()
"""The paper's, as deep-sort-realtime computes it."""
SIGHTLINE = Method(
    gate=15.0,
    momentum=0.9,
    colours=1088,
    network_share=0.25,
    overlaps=True,
    by_confidence=True,
    slowing=0.5,
    hesitates=8,
)
"""The default: what was measured to help."""

_UNDECIDED = 0.02
"""Two pairs whose colours differ by less than this are told apart by the network."""


class _Follow:
    """All tracks, seen or lost, as parallel arrays in the order in which they began."""

    def __init__(self) -> None:
        none = np.zeros(0, np.int64)
        self.state: Floats = np.zeros((0, 5, 4))
        self.ids: Ints = none
        self.classes: Ints = none
        self.hits: Ints = none
        self.ages: Ints = none
        self.since: Ints = none
        self.confirmed: Bools = np.zeros(0, bool)
        self.strongest: NDArray[np.float32] = np.zeros(0, np.float32)
        self.places: Ints = none

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, stays: Bools) -> None:
        for name, array in vars(self).items():
            setattr(self, name, array[stays])

    def append(self, state: Floats, ids: Ints, classes: Ints, confidences: NDArray[np.float32], places: Ints) -> None:
        n = len(ids)
        ones, zeros = np.ones(n, np.int64), np.zeros(n, np.int64)
        new = {
            "state": state, "ids": ids, "classes": classes, "hits": ones, "ages": ones, "since": zeros,
            "confirmed": np.zeros(n, bool), "strongest": confidences, "places": places,
        }  # fmt: skip
        for name, array in vars(self).items():
            setattr(self, name, np.concatenate([array, new[name]]))


class DeepSort:
    """Follows detections from frame to frame.

    Ids are numbers from 1; no two tracks of one instance ever have the same, also after `start_anew`. A track never
    passes from one class to another. Memory is bounded by the number of tracks alive.
    """

    needs_embeddings = True

    def __init__(self, method: Method = SIGHTLINE) -> None:
        self._method = method
        self._next_id = 1
        self.start_anew()

    def start_anew(self) -> None:
        """Forget all tracks and how they looked; their ids are never used again."""
        method = self._method
        self._gallery = Gallery(method.budget, method.momentum, method.colours, method.network_share)
        self._tracks = _Follow()
        self._ahead: Floats | None = None

    def wanted(self, detections: Detections, colours: Embeddings, knobs: TrackKnobs) -> Ints:
        """The rows whose network part can change the answer: where two pairs are possible and colours do not decide.

        Args:
            detections: of the coming frame.
            colours: (n, c) float32, the first part of their embeddings.
            knobs: as for the coming `update`.
        """
        tracks, method = self._tracks, self._method
        if not method.colours:
            return np.arange(len(detections))
        sound = _sound(detections)
        found, ahead = detections.take(sound), self._predict()
        overlap = iou(kalman.boxes_of(ahead), found.boxes.astype(np.float64))
        distance = kalman.gate_distance(ahead, kalman.measure(found.boxes))
        looks = self._gallery.distance(tracks.places, colours[sound, : method.colours])
        possible = (distance <= method.gate) & (overlap > 0) & (looks <= knobs.appearance)
        possible &= tracks.confirmed[:, None] & (tracks.classes[:, None] == found.classes)
        looks = np.where(possible, looks, IMPOSSIBLE)
        undecided = np.zeros(len(found), bool)
        if len(tracks) > 1 and len(found):
            undecided |= _torn(looks)
        if len(tracks) and len(found) > 1:
            undecided |= possible[_torn(looks.T)].any(axis=0)
        chosen: Ints = sound[undecided]
        return chosen

    def update(
        self, detections: Detections, embeddings: Embeddings | None, _image: Image | None, knobs: TrackKnobs
    ) -> Tracks:
        """One frame on; gives the confirmed tracks that were seen in it.

        Args:
            detections: what was found; boxes without width or height are left out, with their embeddings.
            embeddings: (n, d) float32, in the rows of the detections; unknown ones are NaN; None where there are none.
            knobs: appearance, keep_lost, confirm_after and sure are used.
        """
        method, tracks = self._method, self._tracks
        sound = _sound(detections)
        found = detections.take(sound)
        looks = None if embeddings is None else embeddings[sound]
        z = kalman.measure(found.boxes)

        # 2.1: every track one frame ahead
        tracks.state, self._ahead = self._predict(), None
        tracks.ages = tracks.ages + 1
        tracks.since = tracks.since + 1

        # 2.2 and 2.3: who is who
        rows, columns = self._match(found, z, looks, knobs)
        matched = np.zeros(len(found), bool)
        matched[columns] = True
        seen_by = np.full(len(tracks), -1)
        seen_by[rows] = columns
        confidences = found.confidences[columns].astype(np.float64)
        doubt = 1.0 - confidences if method.by_confidence else None
        tracks.state[rows] = kalman.update(tracks.state[rows], z[columns], doubt)
        tracks.hits[rows] += 1
        tracks.since[rows] = 0
        tracks.strongest[rows] = np.maximum(tracks.strongest[rows], found.confidences[columns])
        if looks is not None:
            self._gallery.add(tracks.places[rows], looks[columns])

        # 2.1: a track that is new and missed, or lost for longer than A_max, is given up
        gone = (tracks.since > 0) & (~tracks.confirmed | (tracks.since > knobs.keep_lost))
        self._gallery.close(tracks.places[gone])
        tracks.keep(~gone)
        seen_by = seen_by[~gone]

        # 2.1: what belongs to no track begins one
        new = np.flatnonzero(~matched)
        if len(new):
            places = self._gallery.open(len(new))
            ids = np.arange(self._next_id, self._next_id + len(new))
            self._next_id += len(new)
            tracks.append(kalman.initiate(z[new]), ids, found.classes[new], found.confidences[new], places)
            if looks is not None:
                self._gallery.add(places, looks[new])
            seen_by = np.concatenate([seen_by, new])
        needs = np.where(tracks.strongest >= knobs.sure, 1, method.hesitates) * knobs.confirm_after
        tracks.confirmed |= (tracks.since == 0) & (tracks.hits >= needs)
        return self._shown(detections, sound, seen_by)

    def _predict(self) -> Floats:
        """The states one frame ahead; computed once a frame."""
        if self._ahead is None:
            state = self._tracks.state
            if self._method.slowing < 1:
                state = state.copy()
                state[self._tracks.since > 0, VELOCITY, 3] *= self._method.slowing
            self._ahead = kalman.predict(state)
        return self._ahead

    def _match(self, found: Detections, z: Floats, looks: Embeddings | None, knobs: TrackKnobs) -> tuple[Ints, Ints]:
        """Rows of tracks and of detections that belong together."""
        tracks, method = self._tracks, self._method
        free_track, free = np.ones(len(tracks), bool), np.ones(len(found), bool)
        rows: list[Ints] = []
        columns: list[Ints] = []

        def stage(cost: Floats, who: Bools, limit: float) -> None:
            i, j = np.flatnonzero(who & free_track), np.flatnonzero(free)
            row, column = assign(cost[np.ix_(i, j)], limit)
            rows.append(i[row])
            columns.append(j[column])
            free_track[i[row]] = False
            free[j[column]] = False

        other = tracks.classes[:, None] != found.classes
        overlap = iou(kalman.boxes_of(tracks.state), found.boxes.astype(np.float64))

        # listing 1, lines 1 and 2: the costs C by appearance, the gates B by motion
        cost = np.full(overlap.shape, IMPOSSIBLE)
        if looks is not None:
            cost = self._gallery.distance(tracks.places, looks)
        cost[(kalman.gate_distance(tracks.state, z) > method.gate) | other] = IMPOSSIBLE
        if method.overlaps:
            cost[overlap <= 0] = IMPOSSIBLE
        # lines 5 to 10, the cascade: of those that were seen last, first
        for n in np.unique(tracks.since[tracks.confirmed]).tolist():
            if n <= knobs.keep_lost:
                stage(cost, tracks.confirmed & (tracks.since == n), knobs.appearance)

        # 2.3, last paragraph: by overlap, those that are new or were seen a frame ago
        stage(
            np.where(other, IMPOSSIBLE, 1.0 - overlap), ~tracks.confirmed | (tracks.since == 1), method.max_iou_distance
        )
        return np.concatenate(rows), np.concatenate(columns)

    def _shown(self, detections: Detections, sound: Ints, seen_by: Ints) -> Tracks:
        tracks = self._tracks
        shown = tracks.confirmed & (tracks.since == 0)
        rows = sound[seen_by[shown]]
        return Tracks(
            ids=tracks.ids[shown],
            boxes=kalman.boxes_of(tracks.state[shown]).astype(np.float32),
            confidences=detections.confidences[rows],
            classes=tracks.classes[shown],
            ages=tracks.ages[shown],
            velocities=tracks.state[shown, VELOCITY, :2].astype(np.float32),
            rows=rows,
            masks=None if detections.masks is None else [detections.masks[row] for row in rows.tolist()],
            keypoints=None if detections.keypoints is None else detections.keypoints[rows],
        )


def _sound(detections: Detections) -> Ints:
    """The rows of the boxes that have a width and a height."""
    rows: Ints = np.flatnonzero((detections.boxes[:, 2:] > detections.boxes[:, :2]).all(axis=1))
    return rows


def _torn(cost: Floats) -> Bools:
    """The columns whose two cheapest rows are both possible and cost nearly the same."""
    cheapest = np.partition(cost, 1, axis=0)
    torn: Bools = (cheapest[1] < IMPOSSIBLE) & (cheapest[1] - cheapest[0] < _UNDECIDED)
    return torn
