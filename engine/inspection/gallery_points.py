"""What both stores of the gallery share: a case as a point, a filter as conditions, vectors that are checked."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.gallery import EMBEDDINGS, Case, Filter, Neighbour, Vector
from engine.inspection.types import GOOD

INDEXES = {
    "kind": "keyword",
    "category": "keyword",
    "model": "keyword",
    "path": "keyword",
    "score": "float",
    "date": "datetime",
}
"""Fields that are asked for. With an index a filtered question takes 0.5 to 4 ms of 20,000 points, without one 26."""

MOST_KINDS = 1000

Condition = tuple[str, str, Any]
"""("any", field, values), ("range", field, (low, high)), ("date", field, (since, until)) or ("ids", "", ids)."""


def payload(case: Case) -> dict[str, Any]:
    """All of a case but its vectors and id, as JSON values."""
    return {
        "path": case.path,
        "model": case.model,
        "category": case.category,
        "kind": case.kind,
        # Edge reads some doubles back with another last bit; nine decimals come back as they were
        "score": round(float(case.score), 9),
        "threshold": round(float(case.threshold), 9),
        "width": int(case.width),
        "height": int(case.height),
        "date": moment(case.date).isoformat(),
    }


def case_of(found: Mapping[str, Any], vectors: Mapping[str, Vector] | None = None) -> Case:
    """The case of a point.

    Raises:
        SightlineError: the point was not written by Sightline.
    """
    vectors = vectors or {}
    try:
        return Case(
            str(found["path"]),
            str(found["model"]),
            str(found["category"]),
            str(found["kind"]),
            float(found["score"]),
            float(found["threshold"]),
            int(found["width"]),
            int(found["height"]),
            str(found["date"]),
            vectors.get("whole"),
            vectors.get("defect"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SightlineError(
            "The gallery holds something that is no case of Sightline: choose another gallery, or an empty one."
        ) from error


def neighbours(found: Sequence[tuple[Mapping[str, Any], float]]) -> list[Neighbour]:
    """Neighbours of payloads and cosines, the most similar first."""
    return [
        Neighbour(case_of(fields), min(1.0, max(-1.0, float(cosine))), rank)
        for rank, (fields, cosine) in enumerate(found, 1)
    ]


def moment(text: str, last: bool = False) -> datetime:
    """A date in UTC; without a zone it is local time.

    Args:
        text: ISO 8601.
        last: a day alone means its last microsecond.

    Raises:
        SightlineError: it is no date.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SightlineError(f"“{text}” is no date: write it as 2026-11-05.") from None
    if last and len(text) == len("2026-11-05"):
        found += timedelta(days=1, microseconds=-1)
    return found.astimezone(UTC)


def conditions(where: Filter | None) -> tuple[list[Condition], list[Condition]]:
    """What must hold and what must not, for a store to put into its own words."""
    must: list[Condition] = []
    must_not: list[Condition] = []
    if where is None:
        return must, must_not
    for key, values in (
        ("category", [where.category] if where.category else []),
        ("model", [where.model] if where.model else []),
        ("kind", list(where.kinds)),
    ):
        if values:
            must.append(("any", key, values))
    if where.lowest is not None or where.highest is not None:
        must.append(("range", "score", (where.lowest, where.highest)))
    if where.since or where.until:
        since = moment(where.since).isoformat() if where.since else None
        until = moment(where.until, last=True).isoformat() if where.until else None
        must.append(("date", "date", (since, until)))
    if where.not_kinds:
        must_not.append(("any", "kind", list(where.not_kinds)))
    if where.exclude:
        must_not.append(("ids", "", list(where.exclude)))
    if where.exclude_paths:
        must_not.append(("any", "path", list(where.exclude_paths)))
    return must, must_not


def checked(vector: NDArray[np.floating] | None, embedding: str, lengths: Mapping[str, int]) -> Vector:
    """A vector as the gallery takes it: float32, of unit length.

    Raises:
        SightlineError: it is of another length.
        ValueError: it is missing, zero or not finite, or the embedding is unknown.
    """
    if embedding not in EMBEDDINGS:
        raise ValueError(f"embedding {embedding!r}, expected one of {EMBEDDINGS}")
    if vector is None:
        raise ValueError(f"a case without its vector {embedding!r}")
    wanted = lengths[embedding]
    if vector.shape != (wanted,):
        raise SightlineError(
            f"This gallery compares {wanted} numbers, but the model makes {vector.size}: open the model that the "
            "gallery was made with, or choose another gallery."
        )
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(norm) or norm == 0:
        raise ValueError(f"the vector {embedding!r} is {'zero' if norm == 0 else 'not finite'}")
    return (vector / norm).astype(np.float32)


def checked_cases(cases: Sequence[Case], lengths: Mapping[str, int]) -> list[dict[str, Vector]]:
    """The vectors of cases; everything is looked at before anything is written.

    Raises:
        SightlineError, ValueError: as `checked`; or a score that is not finite.
    """
    for case in cases:
        if not (np.isfinite(case.score) and np.isfinite(case.threshold)):
            raise ValueError(f"score {case.score} and threshold {case.threshold} of {case.path}")
    return [{name: checked(getattr(case, name), name, lengths) for name in EMBEDDINGS} for case in cases]


def good_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Kinds by name, "good" in front."""
    return {kind: counts[kind] for kind in sorted(counts, key=lambda kind: (kind != GOOD, kind))}


def other_lengths(where: str, has: Mapping[str, int], wanted: Mapping[str, int]) -> SightlineError:
    """What is said where a gallery was made for other vectors."""
    return SightlineError(
        f"The gallery {where} compares {has['whole']} and {has['defect']} numbers, but the model makes "
        f"{wanted['whole']} and {wanted['defect']}: open the model that it was made with, or choose another gallery."
    )
