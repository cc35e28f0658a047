"""MOT text in and out, and how right the identities are: HOTA, IDF1, MOTA and switches through TrackEval."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.tracking.association import iou
from engine.tracking.types import TrackedFrame

Rows = NDArray[np.float64]
"""(n, 10) float64, one row a box: frame (from 1), id, left, top, width, height, confidence, then what a file adds."""

_FRAME, _ID, _BOX, _FLAG, _CLASS = 0, 1, slice(2, 6), 6, 7
_COLUMNS = "frame,id,left,top,width,height,..."
_PEDESTRIAN = 1
# MOTChallenge's classes that look like people but are not to be followed: on a vehicle, static, distractor, reflection
_LOOK_ALIKES = (2, 7, 8, 12)


@dataclass(frozen=True, slots=True)
class Scores:
    """How a tracker did against the truth.

    Attributes:
        HOTA: higher order tracking accuracy, 0..100 (Luiten et al., IJCV 2021), mean over its 19 overlaps.
        IDF1: share of boxes that carry the right identity, 0..100 (Ristani et al. 2016).
        MOTA: 100 less the percentages of misses, false boxes and switches (Bernardin & Stiefelhagen 2008).
        switches: how often a person's id changed.
    """

    HOTA: float
    IDF1: float
    MOTA: float
    switches: int


def mot_rows(seen: TrackedFrame) -> Rows:
    """The rows of MOT text for one tracked frame: its confirmed tracks that were updated in it."""
    tracks = seen.tracks
    rows = np.full((len(tracks), 10), -1.0)
    rows[:, _FRAME] = seen.index + 1
    rows[:, _ID] = tracks.ids
    rows[:, 2:4] = tracks.boxes[:, :2]
    rows[:, 4:6] = tracks.boxes[:, 2:] - tracks.boxes[:, :2]
    rows[:, 6] = tracks.confidences
    return rows


class MotFile:
    """MOT text that appears under its name only when it is whole.

    Used in `with`: `add` writes a frame's rows beside the file; a clean end renames, an exception leaves nothing.

    Raises:
        SightlineError: the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(path.name + ".part")
        try:
            self._file: io.TextIOBase = self._beside.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise SightlineError(f"Cannot write {path}: {_reason(error)}. Choose another folder.") from error

    def add(self, seen: TrackedFrame) -> None:
        """Write the confirmed tracks of one frame."""
        try:
            for frame, number, *box, confidence in mot_rows(seen)[:, :7].tolist():
                numbers = ",".join(f"{value:.2f}" for value in box)
                self._file.write(f"{int(frame)},{int(number)},{numbers},{confidence:.4f},-1,-1,-1\n")
        except OSError as error:
            raise SightlineError(f"Cannot write {self._path}: {_reason(error)}. Free some space.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _t: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if kind is None:
                self._beside.replace(self._path)
        except OSError as error:
            raise SightlineError(f"Cannot write {self._path}: {_reason(error)}. Free some space.") from error
        finally:
            self._beside.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return (error.strerror or "the system refused").lower()


def write_mot(path: Path, seen: Iterable[TrackedFrame]) -> None:
    """Write all tracked frames as MOT text; an existing file is replaced only when the new one is whole."""
    with MotFile(path) as file:
        for frame in seen:
            file.add(frame)


def read_mot(path: Path) -> Rows:
    """Read MOT text: (n, 10) float64, columns that the file lacks are -1.

    Raises:
        SightlineError: the file is missing, empty, or not rows of at least six numbers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SightlineError(f"Cannot read the truth file {path}: {_reason(error)}.") from error
    except UnicodeDecodeError as error:
        raise SightlineError(
            f"{path} is not text; choose a MOT truth file (frame,id,left,top,width,height,...)."
        ) from error
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words[:10]]
        except ValueError:
            values = []
        if len(values) < 6 or not np.isfinite(values).all() or values[0] < 1:
            raise SightlineError(
                f"Line {number} of {path} is no MOT row (frame,id,left,top,width,height,...): {line[:40]}"
            )
        found.append(values + [-1.0] * (10 - len(values)))
    if not found:
        raise SightlineError(f"{path} is empty; choose a MOT truth file ({_COLUMNS}).")
    return np.array(found)


def score(truth_path: Path, tracks: Iterable[TrackedFrame] | Rows, frames: int | None = None) -> Scores:
    """Compare tracks with MOT ground truth, as TrackEval's MotChallenge2DBox does for its class pedestrian.

    Truth rows whose flag (7th column) is 0 are left out; where the 8th column names MOTChallenge's classes, only
    pedestrians count, and a track on a distractor (a statue, a reflection) is neither right nor wrong.

    Args:
        truth_path: MOT ground truth.
        tracks: tracked frames, or their rows as (n, 10) float64.
        frames: only frames 1 to this number are compared; None compares all of them.

    Raises:
        SightlineError: the truth cannot be read.
    """
    truth = read_mot(truth_path)
    if not isinstance(tracks, np.ndarray):
        parts = [mot_rows(seen) for seen in tracks]
        tracks = np.concatenate(parts) if parts else np.zeros((0, 10))
    return _evaluate(_prepare(truth, tracks, frames))


def _prepare(truth: Rows, tracks: Rows, frames: int | None) -> dict[str, Any]:
    """What TrackEval's metrics read: per frame contiguous ids and the overlaps of truth and tracks."""
    if frames is None:
        frames = int(max(truth[:, _FRAME].max(), tracks[:, _FRAME].max() if len(tracks) else 1))
    # MOT15 keeps world coordinates or -1 in this column; from MOT16 on it is the class, 1 to 13
    has_classes = bool(np.isin(truth[:, _CLASS], range(1, 14)).all())
    # a truth file of six columns has no flag: all of its boxes count
    counts = truth[:, _FLAG] != 0
    if has_classes:
        counts &= truth[:, _CLASS] == _PEDESTRIAN
    truth_ids, track_ids, overlaps = [], [], []
    for frame in range(1, frames + 1):
        real = truth[:, _FRAME] == frame
        seen = tracks[tracks[:, _FRAME] == frame]
        overlap = iou(_corners(truth[real]), _corners(seen))
        if has_classes:
            stays = ~_on_look_alike(truth[real], overlap)
            seen, overlap = seen[stays], overlap[:, stays]
        truth_ids.append(truth[real & counts, _ID])
        track_ids.append(seen[:, _ID])
        overlaps.append(overlap[counts[real]])
    truth_numbers, truth_ids = _contiguous(truth_ids)
    track_numbers, track_ids = _contiguous(track_ids)
    return {
        "gt_ids": truth_ids,
        "tracker_ids": track_ids,
        "similarity_scores": overlaps,
        "num_timesteps": frames,
        "num_gt_dets": sum(map(len, truth_ids)),
        "num_tracker_dets": sum(map(len, track_ids)),
        "num_gt_ids": truth_numbers,
        "num_tracker_ids": track_numbers,
    }


def _corners(rows: Rows) -> Rows:
    boxes = rows[:, _BOX]
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _on_look_alike(truth: Rows, overlap: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which tracks lie on something that looks like a person but is not to be followed."""
    from scipy.optimize import linear_sum_assignment

    matching = np.where(overlap < 0.5 - np.finfo(float).eps, 0.0, overlap)
    row, column = linear_sum_assignment(-matching)
    matched = matching[row, column] > np.finfo(float).eps
    on = np.zeros(overlap.shape[1], bool)
    on[column[matched]] = np.isin(truth[row[matched], _CLASS], _LOOK_ALIKES)
    return on


def _contiguous(ids: list[Rows]) -> tuple[int, list[NDArray[np.int64]]]:
    """The same ids as 0, 1, 2, ... and how many there are."""
    names = np.unique(np.concatenate(ids)) if ids else np.zeros(0)
    return len(names), [np.searchsorted(names, frame) for frame in ids]


def _evaluate(data: dict[str, Any]) -> Scores:
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    clear = CLEAR(quiet).eval_sequence(data)
    return Scores(
        HOTA=100 * float(np.mean(HOTA().eval_sequence(data)["HOTA"])),
        IDF1=100 * float(Identity(quiet).eval_sequence(data)["IDF1"]),
        MOTA=100 * float(clear["MOTA"]),
        switches=int(clear["IDSW"]),
    )
