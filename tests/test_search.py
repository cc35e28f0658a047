"""Search: what a space says, what trials come to, grids, pruning, stopping half-way, and studies in a file."""

import math
import threading

import pytest

from engine.errors import SightlineError
from engine.job import drive
from engine.learning.build import build
from engine.learning.search import Importance, Opened, SearchResult, Trial, best_of, importances, search, validated
from engine.learning.setup import ProblemSetup
from engine.learning.space import (
    Choice,
    Range,
    applied,
    cells,
    check_space,
    chosen,
    parse_space,
    text_of_space,
    usual_space,
)
from engine.learning.studies import Watch, begin_study, owner, shown
from engine.optimizers.contenders import Contender, parse_contenders

optuna = pytest.importorskip("optuna")

TEXT = "hidden=4..256,lr=1e-4..1:log,batch=16|32|64,penalty=none|l2,strength=1e-5..1:log,rule=sgd|adam,beta=0.5..0.99"
LINEAR = ProblemSetup("linear")


def adam(text="adam:lr=0.01") -> Contender:
    return parse_contenders(text, batch=32)[0]


def searched(setup=LINEAR, contender=None, space="lr=1e-3..1:log", **asked) -> tuple[SearchResult, list[Trial]]:
    seen = []
    asked = {"steps": 40, "replicates": 2, "trials": 6} | asked
    result = drive(search(setup, contender or adam(), space, **asked), seen.append)
    return result, [one for one in seen if isinstance(one, Trial)]


def test_a_space_is_read_and_written():
    space = parse_space(TEXT)
    assert space[0] == Range("hidden", 4, 256, whole=True)
    assert space[1] == Range("lr", 1e-4, 1.0, log=True)
    assert space[2] == Choice("batch", (16, 32, 64))
    assert space[3] == Choice("penalty", ("none", "l2"))
    assert parse_space(text_of_space(space)) == space
    assert parse_space("batch=16|all,schedule=constant|cosine:warmup=10")[0].values == (16, "all")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lr", "cannot be read"), ("lr=", "cannot be read"), ("lr=1..0", "is empty"), ("lr=a..b", "no range"),
        ("lr=0..1:log", "no logarithm"), ("lr=1..2:lin", "no scale"), ("hidden=0..4", "cannot be"),
        ("hidden=2.5..4", "no whole number"), ("lr=1|x", "no number"), ("rule=sgd|nix", "There is no rule nix"),
        ("penalty=1..2", "is a word"), ("lr=1|2,lr=1|2", "twice"), ("lr=1||2", "empty choice"),
        ("lr=0..inf", "no range"),
        ("schedule=constant|nix", "There is no schedule nix"),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_read_says_so_in_one_sentence(text, says):
    with pytest.raises(SightlineError, match=says) as error:
        parse_space(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("setup", "text", "says"),
    [
        (LINEAR, "hidden=1..4", "There is no hidden"), (LINEAR, "psi=0.1..1", "There is no psi"),
        (LINEAR, "lr=0|1", "at a rate of 0"), (LINEAR, "batch=16|5000", "5,000 rows"),
        (LINEAR, "beta=0.5..1", "less than 1"), (LINEAR, "strength=0.1..1", "penalty alone"),
        (LINEAR, "seed=1..3", "There is no seed"), (ProblemSetup("beale"), "batch=1|2", "There is no batch"),
    ],
)  # fmt: skip
def test_what_a_problem_and_a_rule_cannot_have_is_told_before_the_first_trial(setup, text, says):
    rows = 0 if setup.problem == "beale" else 1000
    with pytest.raises(SightlineError, match=says):
        check_space(parse_space(text), setup, adam(), rows, 100)


def test_a_number_is_asked_for_where_it_counts_alone():
    space = parse_space(TEXT)
    network = ProblemSetup("network")
    plain = chosen(space, network, adam(), lambda one: one.points()[0])
    assert set(plain) == {"rule", "penalty", "hidden", "lr", "batch"}
    full = chosen(space, network, adam(), lambda one: one.points()[-1])
    assert set(full) == {"rule", "penalty", "hidden", "lr", "batch", "strength", "beta"}
    setup, contender = applied(full, network, adam())
    assert (setup.hidden, setup.penalty, setup.strength) == ((256,), "l2", 1.0)
    assert (contender.key, contender.knobs.lr, contender.knobs.beta, contender.batch) == ("adam", 1.0, 0.99, 64)
    # a rule that is chosen begins with its own usual numbers
    assert applied({"rule": "rmsprop"}, network, adam())[1].knobs.lr == 0.01
    assert applied({"clip": 2.0}, network, adam())[1].wraps.clip == 2.0


def test_a_grid_has_every_choice_once():
    grid = cells(parse_space("lr=1e-4..1:log,rule=sgd|adam,beta=0.5|0.9"), LINEAR, adam())
    assert len(grid) == 5 + 2 * 5
    assert [cell["lr"] for cell in grid if cell["rule"] == "sgd"] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert Range("hidden", 1, 3, whole=True).points() == (1, 2, 3)
    names = ("lr", "beta", "beta2", "eps", "clip", "l2", "decay", "average")
    with pytest.raises(SightlineError, match="cells"):
        cells(parse_space(",".join(f"{name}=0..1" for name in names)), LINEAR, adam())


def test_the_value_of_a_trial_is_the_loss_on_validation_rows_after_its_steps():
    from engine.learning.build import kind_of
    from engine.learning.linear_models import LinearRegression, Penalty
    from engine.optimizers.race import race

    result, trials = searched(trials=1, replicates=3)
    built = drive(build(LINEAR))
    table = validated(built.table, 0)
    rows = {tuple(row) for row in built.table.x}
    assert {tuple(row) for row in table.x} | {tuple(row) for row in table.test_x} == rows
    assert len(table.test_x) == round(0.2 * len(built.table.x))
    assert kind_of("linear").model is LinearRegression
    problem = LinearRegression(table.x, table.y, Penalty(), (table.test_x, table.test_y))
    contender = best_of(result)[1]
    assert contender.knobs.lr == trials[0].parameters["lr"]
    ended = drive(race(problem, [contender], 40, 3))
    assert trials[0].value == pytest.approx(sorted(ended.standings[0].final.test)[1], rel=1e-12)


def test_the_best_of_a_search_is_a_contender():
    result, trials = searched(ProblemSetup("network", rows=100), space=TEXT, trials=8)
    assert [one.number for one in trials] == list(range(8))
    best = min((one for one in trials if one.state == "complete"), key=lambda one: one.value)
    setup, contender = best_of(result)
    assert result.best == best
    assert setup.hidden == (best.parameters["hidden"],)
    assert contender.key == best.parameters["rule"]
    assert contender.knobs.lr == best.parameters["lr"]
    assert contender.name.endswith("found")
    assert result.trials == tuple(trials)


def test_one_seed_repeats_a_search():
    assert searched(seed=3)[1] == searched(seed=3)[1]
    assert searched(seed=3)[1] != searched(seed=4)[1]


def test_what_diverges_says_so_and_is_never_the_best():
    result, trials = searched(contender=adam("sgd"), space="lr=0.05|1000", sampler="grid", trials=9, steps=100)
    assert {(one.parameters["lr"], one.state) for one in trials} == {(0.05, "complete"), (1000.0, "diverged")}
    assert next(one for one in trials if one.state == "diverged").value is None
    assert result.best.parameters == {"lr": 0.05}
    assert best_of(searched(contender=adam("sgd"), space="lr=1000|2000", trials=2)[0]) is None


def test_a_grid_ends_when_it_is_through_and_goes_on_where_it_was():
    result, trials = searched(space="lr=0.01..0.1,batch=16|32", sampler="grid", trials=4)
    assert len(trials) == 4
    more = drive(search(LINEAR, adam(), "lr=0.01..0.1,batch=16|32", sampler="grid", trials=99, steps=40, replicates=2,
                        earlier=result))  # fmt: skip
    found = [tuple(one.parameters.items()) for one in more.trials]
    assert len(found) == len(set(found)) == 10


def test_a_hopeless_trial_is_given_up():
    space = "lr=0.1|0.12|0.15|1e-6"
    _, trials = searched(contender=adam("sgd"), space=space, sampler="random", trials=20, steps=100)
    states = {lr: [one.state for one in trials if one.parameters["lr"] == lr] for lr in (0.1, 1e-6)}
    assert "pruned" in states[1e-6]
    assert "complete" in states[0.1]
    kept = searched(contender=adam("sgd"), space=space, sampler="random", trials=12, prune=False)[1]
    assert {one.state for one in kept} == {"complete"}


def test_a_surface_is_searched_by_its_objective():
    result, _ = searched(ProblemSetup("quadratic"), adam("sgd"), "lr=0.001|0.02", sampler="grid", trials=9, steps=200)
    assert result.best.parameters == {"lr": 0.02}
    assert usual_space(ProblemSetup("quadratic")) == "lr=1e-4..1:log"


def test_importance_is_with_what_decides():
    result, _ = searched(ProblemSetup("quadratic"), adam("sgd"), "lr=1e-5..0.05:log,clip=50..100", sampler="random",
                         trials=40, steps=100, prune=False)  # fmt: skip
    found = importances(result.study)
    assert math.isclose(sum(found.values()), 1.0)
    assert found["lr"] > 0.8
    assert importances(searched(trials=1)[0].study) == {}
    seen = []
    drive(search(ProblemSetup("quadratic"), adam("sgd"), "lr=1e-5..0.05:log,clip=50..100", trials=6, steps=20,
                 importance=True), seen.append)  # fmt: skip
    told = [one for one in seen if isinstance(one, Importance)]
    assert told[0].shares == {}
    assert set(told[-1].shares) == {"lr", "clip"}


def test_what_was_finished_is_kept_when_a_search_is_stopped():
    job = search(LINEAR, adam(), "lr=1e-3..1:log", trials=100, steps=200, replicates=2)
    result, done = None, 0
    for event in job:
        if isinstance(event, Opened):
            result = event.result
        done += isinstance(event, Trial)
        # in the middle of the fourth
        if done == 3 and any(one.state == "running" for one in result.trials):
            break
    job.close()
    states = [one.state for one in result.trials]
    assert states[:3].count("complete") + states[:3].count("pruned") == 3
    assert states[3:] == ["failed"]
    assert best_of(result) is not None
    more = drive(search(LINEAR, adam(), "lr=1e-3..1:log", trials=5, steps=200, replicates=2, earlier=result))
    assert sum(one.state in ("complete", "pruned") for one in more.trials) == 5


@pytest.mark.parametrize("address", ["sqlite:///{}/a.db", "{}/a.log"])
def test_a_study_in_a_file_is_gone_on_with(tmp_path, address):
    address = address.format(tmp_path)
    searched(study="s", storage=address, trials=3)
    result, new = searched(study="s", storage=address, trials=5)
    assert len(new) == 2
    assert [one.number for one in result.trials] == [0, 1, 2, 3, 4]
    assert len({one.parameters["lr"] for one in result.trials}) == 5
    with pytest.raises(SightlineError, match="begun with other settings"):
        searched(study="s", storage=address, trials=9, steps=41)
    assert len(searched(study="other", storage=address, trials=1)[1]) == 1


def test_several_at_once_do_not_overshoot(tmp_path):
    address = f"sqlite:///{tmp_path}/a.db"
    counts = []

    def work():
        counts.append(
            len(searched(space="lr=0.01..0.1,batch=16|32", sampler="grid", study="s", storage=address, trials=10)[1])
        )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    study = optuna.load_study(study_name="s", storage=address)
    done = [one for one in study.trials if one.state.name in ("COMPLETE", "PRUNED")]
    assert sum(counts) == len(done) == 10
    assert len({tuple(sorted(one.params.items())) for one in done}) == 10


def test_a_trial_whose_process_is_gone_is_given_up():
    study = optuna.create_study()
    mine, dead, foreign = (study.ask() for _ in range(3))
    mine.set_user_attr("owner", list(owner()))
    dead.set_user_attr("owner", [owner()[0], 2**22 + 1])
    foreign.set_user_attr("owner", ["elsewhere", 1])
    assert list(Watch().gone(study.trials)) == [1]


def test_silence_is_measured_by_the_clock_of_who_watches(monkeypatch):
    import engine.learning.studies as studies

    now = [0.0]
    monkeypatch.setattr(studies.time, "monotonic", lambda: now[0])
    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr("owner", ["elsewhere", 1])
    watch = Watch()
    assert list(watch.gone(study.trials)) == []
    now[0] = studies.SILENT_S - 1
    trial.set_user_attr("beat", 1)
    assert list(watch.gone(study.trials)) == []
    now[0] += studies.SILENT_S + 1
    assert list(watch.gone(study.trials)) == [0]


def test_a_trial_that_others_gave_up_is_theirs(monkeypatch):
    import engine.learning.search as searching

    told = []

    def gives_up(run, step, beat):
        if not told and run.step >= 20:
            told.append(True)
            beat._trial.study.tell(beat._trial.number, state=optuna.trial.TrialState.FAIL)
        run.advance(step - run.step)
        yield None

    monkeypatch.setattr(searching, "_until", gives_up)
    result, trials = searched(trials=3)
    assert [one.number for one in trials] == [1, 2, 3]
    assert [one.state for one in result.trials] == ["failed", "complete", "complete", "complete"]


@pytest.mark.parametrize(
    ("name", "address", "says"),
    [
        ("", "sqlite:///a.db", "name one with --study"), ("s", "", "needs a place to live"),
        ("s", "nix://where", "could not be opened"), ("s", "no address", "could not be opened"),
        ("s", "postgresql://me@127.0.0.1:9/base", "could not be opened"),
        ("s", "sqlite:////nowhere/a.db", "could not be opened"), ("s", "/nowhere/a.log", "no folder"),
    ],
)  # fmt: skip
def test_a_storage_that_cannot_be_says_so_in_one_sentence(name, address, says):
    with pytest.raises(SightlineError, match=says) as error:
        drive(begin_study(name, address))
    assert "\n" not in str(error.value)


def test_a_password_is_not_shown():
    assert shown("postgresql://me:secret@host/db") == "postgresql://me@host/db"


@pytest.mark.parametrize(("asked", "says"), [({"trials": 0}, "0 trials"), ({"sampler": "nix"}, "no sampler nix")])
def test_a_search_that_cannot_be_says_so(asked, says):
    with pytest.raises(SightlineError, match=says):
        searched(**asked)
