"""Kill the program at random moments while it makes and changes a gallery: nothing acknowledged may be lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.inspection.gallery import Case, open_gallery

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = {"whole": 64, "defect": 32}
KINDS = ("good", "crack", "hole")


def case(i: int, kind: str) -> Case:
    whole, defect = (np.random.default_rng(i).normal(size=n).astype(np.float32) for n in LENGTHS.values())
    return Case(f"/p/{i}.png", "m", "tile", kind, i % 100 / 100, 0.5, 4, 4, "2026-11-01T00:00:00+00:00", whole, defect)


def victim(folder: str, seed: int) -> None:
    """Change the gallery until killed; say each change before it is asked for, and when it is acknowledged."""

    def say(*what) -> None:
        print(json.dumps(what), flush=True)

    rng = random.Random(seed)
    with open_gallery(folder, lengths=LENGTHS) as gallery:
        say("opened")
        while True:
            at = rng.randrange(3000)
            many, kind = rng.choice((1, 20, 128)), rng.choice(KINDS)
            numbers, what = list(range(at, at + many)), rng.choice(("add", "add", "add", "label", "remove"))
            if what == "label":
                known = gallery.cases(limit=200)[0]
                if not known:
                    continue
                numbers = [int(Path(rng.choice(known).path).stem)]
            say("begin", what, numbers, kind)
            if what == "add":
                gallery.add([case(i, kind) for i in numbers])
            elif what == "label":
                gallery.label(case(numbers[0], kind).id, kind)
            else:
                gallery.remove([case(i, kind).id for i in numbers])
            say("done")


def kill_one(folder: Path, seed: int, state: dict[int, set[str | None]]) -> int:
    """Start a victim and kill it; change what `state` says may be found. Returns how many changes were acknowledged.

    Args:
        state: for each number the kinds that it may have now; None where it may be missing.
    """
    rng = random.Random(1000 + seed)
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]; import engine.runtime; engine.runtime.prepare(); "
        "import test_gallery_kills; test_gallery_kills.victim(sys.argv[3], int(sys.argv[4]))"
    )
    command = [sys.executable, "-c", code, str(ROOT), str(ROOT / "tests"), str(folder), str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    output = ""
    if rng.random() < 0.25:
        # while it starts, makes or opens the gallery
        time.sleep(rng.uniform(0.2, 1.5))
    else:
        wanted = rng.randrange(1, 30)
        while output.count("\n") < wanted:
            output += process.stdout.readline()
        time.sleep(rng.uniform(0, 0.03))
    if rng.random() < 0.5:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        # Edge's process lives on until it notices
        process.kill()
    output += process.communicate()[0]
    assert process.returncode == -signal.SIGKILL
    lines = [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith("\n")]
    changes = [line for line in lines if line != ["opened"]]
    acknowledged = 0
    for at, change in enumerate(changes):
        if change == ["done"]:
            continue
        _begin, what, numbers, kind = change
        finished = at + 1 < len(changes)
        acknowledged += finished
        for number in numbers:
            new = None if what == "remove" else kind
            state[number] = {new} if finished else state.get(number, {None}) | {new}
    return acknowledged


def check(folder: Path, state: dict[int, set[str | None]]) -> int:
    """Open the gallery and compare it with what may be found, which is then what was found."""
    with open_gallery(folder, lengths=LENGTHS) as gallery:
        numbers = sorted(state)
        ids = {number: case(number, "").id for number in numbers}
        found = {one.id: one for one in gallery.get(list(ids.values()), vectors=True)}
        for number in numbers:
            one = found.get(ids[number])
            kind = one.kind if one else None
            assert kind in state[number], f"{number} is {kind}, expected one of {state[number]}"
            state[number] = {kind}
            if one:
                whole = case(number, "").whole
                np.testing.assert_allclose(one.whole, whole / np.linalg.norm(whole), atol=1e-6)
        assert gallery.count() == len(found)
        for number in [number for number in numbers if state[number] != {None}][:20]:
            assert gallery.similar(case(number, "").defect, top=1)[0].case == found[ids[number]]
        return len(found)


def kills(folder: Path, times: int, seed: int, anew: int) -> None:
    acknowledged = 0
    state: dict[int, set[str | None]] = {}
    left = []
    for turn in range(times):
        if turn % anew == 0:
            state, place = {}, folder / str(turn)
        acknowledged += kill_one(place, seed + turn, state)
        left.append(check(place, state))
    assert acknowledged
    print(f"{times} kills, {acknowledged} changes acknowledged, up to {max(left)} cases in a gallery, none lost")


def test_nothing_acknowledged_is_lost(tmp_path):
    kills(tmp_path, 5, 0, anew=3)


@pytest.mark.slow
@pytest.mark.parametrize("ten", range(10))
def test_nothing_acknowledged_is_lost_in_100_kills(tmp_path, ten):
    kills(tmp_path, 10, 100 + 10 * ten, anew=10)
