"""The command `search`: what it says, and one study that several processes work on."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands import main
from engine.job import drive
from engine.learning.search import search
from engine.learning.setup import ProblemSetup
from engine.optimizers.contenders import parse_contenders

optuna = pytest.importorskip("optuna")

ROOT = Path(__file__).parents[1]
SPACE = "lr=1e-3..0.5:log"


def run(*words: str) -> tuple[int, list[dict], str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        status = main(["search", *words])
    return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def started(address: str, trials: int, steps: int) -> subprocess.Popen:
    words = ["search", "linear", "--space", SPACE, "--trials", str(trials), "--steps", str(steps), "--no-prune",
             "--study", "s", "--storage", address]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "main.py", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finished(address: str) -> list:
    study = optuna.load_study(study_name="s", storage=address)
    return [one for one in study.trials if one.state.name in ("COMPLETE", "PRUNED")]


def test_trials_and_the_best_are_said():
    status, said, _ = run("network", "--space", "hidden=2..8,lr=1e-3..1:log", "--trials", "4", "--steps", "30")
    assert status == 0
    assert [one["trial"] for one in said[:-1]] == [0, 1, 2, 3]
    assert set(said[0]) == {"trial", "value", "parameters", "state"}
    best = said[-1]["best"]
    assert best["value"] == min(one["value"] for one in said[:-1] if one["state"] == "complete")
    assert f"hidden={best['parameters']['hidden']}" in best["problem"]
    assert best["contender"].startswith("rule=adam:lr=")


def test_nothing_that_converged_is_no_best():
    status, said, err = run("linear", "--rules", "sgd", "--space", "lr=1000|2000", "--trials", "2", "--steps", "50")
    assert status == 0
    assert [one["state"] for one in said[:-1]] == ["diverged", "diverged"]
    assert said[-1] == {"best": None}
    assert "smaller learning rate" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nix"], "There is no problem nix"), (["linear", "--space", "lr"], "cannot be read"),
        (["linear", "--storage", "sqlite:///a.db"], "--study"), (["linear", "--rules", "sgd,adam"], "one rule"),
        (["beale", "--penalty", "l2:1"], "takes no --penalty"),
        (["linear", "--data", "nowhere.csv"], "name it with --label"),
        (["linear", "--sampler", "nix"], "nix"), (["linear", "--trials", "0"], "above 0"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(words, says):
    status, said, err = run(*words)
    assert (status, said) == (2, [])
    assert says in err.splitlines()[-1]


def test_two_processes_share_one_study(tmp_path):
    address = f"sqlite:///{tmp_path}/study.db"
    both = [started(address, 12, 1500) for _ in range(2)]
    told = []
    for process in both:
        out, err = process.communicate(timeout=110)
        assert process.returncode == 0, err
        told.append([json.loads(line) for line in out.splitlines()])
    done = finished(address)
    assert len(done) == 12
    numbers = [{one["trial"] for one in lines[:-1]} for lines in told]
    assert numbers[0] | numbers[1] == {one.number for one in done}
    assert not numbers[0] & numbers[1]
    assert min(len(some) for some in numbers) >= 1
    assert len({one.params["lr"] for one in done}) == 12
    # both know the same best one
    assert told[0][-1] == told[1][-1]


def test_a_search_that_is_killed_keeps_what_was_finished_and_goes_on(tmp_path):
    address = f"sqlite:///{tmp_path}/study.db"
    process = started(address, 60, 1500)
    first = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    kept = {one.number: one.value for one in finished(address)}
    assert {one["trial"] for one in first} <= set(kept)
    # the one it was at is still written down as running, and nobody works on it
    contender = parse_contenders("adam", batch=32)[0]
    result = drive(search(ProblemSetup("linear"), contender, SPACE, trials=len(kept) + 2, steps=1500, prune=False,
                          study="s", storage=address))  # fmt: skip
    done = finished(address)
    assert len(done) == len(kept) + 2
    assert {one.number: one.value for one in done}.items() >= kept.items()
    assert "running" not in {one.state for one in result.trials}
