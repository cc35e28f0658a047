"""The gallery: adding, asking, opening; against qdrant-client's memory mode, whose answers must be the same.

uv run python tests/bench_gallery.py [points ...]        20000 and 100000 where none is given
"""

import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

import numpy as np

from engine.inspection.gallery import BATCH, DEFECT, Case, Filter, Gallery, open_gallery
from engine.inspection.gallery_points import case_of, payload

NUMBERS = 512
LENGTHS = {"whole": NUMBERS, "defect": NUMBERS}
KINDS = ("good", "crack", "hole", "uneven")
LIMITS = {20_000: 10.0, 100_000: 40.0}
"""Milliseconds that a question may take."""
COMPARED = 20_000
"""Points up to which the memory mode is measured beside: it warns above, and takes a second for a filtered question."""
FILTERS = {
    "all": None,
    "one kind of 4": Filter(kinds=("crack",)),
    "defects": Filter(not_kinds=("good",)),
    "half the scores": Filter(lowest=0.5),
    "half the dates": Filter(since="2026-11-15T00:00:00+00:00"),
    "model": Filter(model="m"),
    "all but itself": Filter(exclude=("00000000-0000-0000-0000-000000000001",)),
    "category, defects, but itself": Filter(
        category="tile", not_kinds=("good",), exclude=("00000000-0000-0000-0000-000000000001",)
    ),
}


def batches(points: int):
    """Points in bunches around 200 directions, as pictures of some categories are."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, 2, NUMBERS)).astype(np.float32)
    for start in range(0, points, BATCH):
        many = min(BATCH, points - start)
        rows = centres[rng.integers(0, 200, many)] + rng.normal(size=(many, 2, NUMBERS)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
        yield [
            Case(
                f"/pictures/{start + i:06d}.png",
                "m",
                ("tile", "leather", "grid")[(start + i) % 3],
                KINDS[(start + i) // 3 % 4],
                float(rng.random()),
                0.5,
                256,
                256,
                f"2026-11-{1 + (start + i) % 28:02d}T10:00:00+00:00",
                *row,
            )
            for i, row in enumerate(rows)
        ]


def questions(rng) -> np.ndarray:
    return rng.normal(size=(10, NUMBERS)).astype(np.float32)


def asked(gallery: Gallery, vectors: np.ndarray, where: Filter | None) -> tuple[float, float]:
    """Fewest and median milliseconds of a question."""
    spent = []
    for vector in vectors:
        begun = time.perf_counter()
        gallery.similar(vector, DEFECT, 5, where)
        spent.append(1e3 * (time.perf_counter() - begun))
    return min(spent), float(np.median(spent))


def same_answers(one: Gallery, other: Gallery, vectors: np.ndarray) -> None:
    for name, where in FILTERS.items():
        for vector in vectors[:3]:
            first, second = (store.similar(vector, DEFECT, 5, where) for store in (one, other))
            assert [n.case for n in first] == [n.case for n in second], name
            assert np.allclose([n.similarity for n in first], [n.similarity for n in second], atol=1e-5), name


def lateness(gallery: Gallery, vectors: np.ndarray) -> float:
    """How late a thread that wants to run every half millisecond is while questions are asked, 99th percentile, ms."""
    gaps, over = [], threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not over.is_set():
            time.sleep(0.0005)
            now = time.perf_counter()
            gaps.append(1e3 * (now - last) - 0.5)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    for vector in np.repeat(vectors, 5, axis=0):
        gallery.similar(vector)
    over.set()
    thread.join()
    return float(np.percentile(gaps, 99))


def measure(points: int, folder: Path) -> None:
    vectors = questions(np.random.default_rng(1))
    print(f"\n{points:,} points of 2 x {NUMBERS} numbers")
    begun = time.perf_counter()
    edge = open_gallery(folder, lengths=LENGTHS)
    print(f"  making it     {1e3 * (time.perf_counter() - begun):8.0f} ms")
    memory = open_gallery(":memory:", lengths=LENGTHS) if points <= COMPARED else None
    spent = {"edge": 0.0, "memory": 0.0}
    slowest = 0.0
    for batch in batches(points):
        begun = time.perf_counter()
        edge.add(batch)
        took = time.perf_counter() - begun
        spent["edge"] += took
        slowest = max(slowest, took)
        if memory is not None:
            begun = time.perf_counter()
            memory.add(batch)
            spent["memory"] += time.perf_counter() - begun
    print(
        f"  adding        {1e6 * spent['edge'] / points:8.0f} ms for 1000 points, flushed; "
        f"the slowest batch of {BATCH} {1e3 * slowest:.0f} ms"
    )
    if memory is not None:
        same_answers(edge, memory, vectors)
        print(f"  in memory     {1e6 * spent['memory'] / points:8.0f} ms   answers are the same")
    for name, where in FILTERS.items():
        fewest, median = asked(edge, vectors, where)
        line = f"  asking {name:30s} {fewest:7.2f} ms, median {median:7.2f}"
        if memory is not None:
            theirs = asked(memory, vectors[:3], where)[0]
            line += f"   in memory {theirs:8.1f} ms, ratio {theirs / fewest:5.1f}"
        elif where is None:
            line += f"   (at most {LIMITS.get(points, 0):g})"
        print(line)
    print(f"  another thread is late by {lateness(edge, vectors):.2f} ms while it is asked, 99th percentile")
    begun = time.perf_counter()
    edge.kinds()
    print(f"  kinds         {1e3 * (time.perf_counter() - begun):8.1f} ms")
    begun = time.perf_counter()
    edge.close()
    print(f"  closing       {1e3 * (time.perf_counter() - begun):8.0f} ms")
    begun = time.perf_counter()
    with open_gallery(folder) as again:
        print(f"  opening again {1e3 * (time.perf_counter() - begun):8.0f} ms")
        begun = time.perf_counter()
        again.similar(vectors[0])
        print(f"  first answer  {1e3 * (time.perf_counter() - begun):8.1f} ms")
        assert again.count() == points
    size = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
    print(f"  on disk       {size / 2**20:8.0f} MiB ({2 * 4 * NUMBERS * points / 2**20:.0f} of numbers)")
    if memory is not None:
        memory.close()


def conversion() -> None:
    """What our own part costs: a payload to a case and back, microseconds."""
    fields = payload(next(iter(batches(1)))[0])
    begun = time.perf_counter()
    for _ in range(1000):
        payload(case_of(fields))
    print(f"a case from a payload and back {1e3 * (time.perf_counter() - begun):.1f} us")


if __name__ == "__main__":
    # the memory mode's warning about many points
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as home:
        for number in [int(text) for text in sys.argv[1:]] or list(LIMITS):
            measure(number, Path(home) / str(number))
    conversion()
