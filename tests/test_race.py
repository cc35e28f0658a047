"""The race: all replicates at once, curves that grow together, and the way back to any of their points."""

import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from problems_drawn import Logistic, Quadratic, Rosenbrock

from engine.errors import SightlineError
from engine.job import Notice, Progress, drive
from engine.knobs import Cell
from engine.optimizers.contenders import Contender, parse_contenders, parse_schedule
from engine.optimizers.order import Shuffles, noise
from engine.optimizers.race import Chunk, Moved, RaceKnobs, race
from engine.optimizers.record import Record, mean_and_error
from engine.optimizers.rules import RULES, MomentumKnobs, SgdKnobs
from engine.optimizers.run import Edit, Run

torch = pytest.importorskip("torch")


def raced(problem, text, steps=300, replicates=3, schedule="constant", batch="all", **more):
    """The result of a race, and its chunks by contender, each joined to (R, steps) losses."""
    chunks: dict[int, list[Chunk]] = {}
    others = []

    def see(event):
        if isinstance(event, Chunk):
            chunks.setdefault(event.contender, []).append(event)
        elif event is not None:
            others.append(event)

    contenders = parse_contenders(text, parse_schedule(schedule), batch)
    result = drive(race(problem, contenders, steps, replicates, **more), see)
    losses = {number: np.concatenate([one.trace.losses for one in some], 1) for number, some in chunks.items()}
    return result, losses, chunks, others


def finished(run):
    """A run at its end, and its losses from here on."""
    traces = []
    while not run.over:
        traces.append(run.advance(1000))
    return np.concatenate([trace.losses for trace in traces], 1)


def test_gradient_descent_on_a_quadratic_is_the_closed_form():
    # theta_k - place = (1 - eta scale)^k (theta_0 - place)
    problem, scales = Quadratic(), np.array([1.0, 5.0, 25.0])
    result, losses, chunks, _ = raced(problem, "sgd:lr=0.03", steps=100)
    start = problem.start(3, 0).numpy() - problem.minimum.theta
    apart = start[:, None] * (1 - 0.03 * scales) ** np.arange(101)[None, :, None]
    assert np.allclose(losses[0], (scales * apart[:, :-1] ** 2).sum(2) / 2, rtol=1e-9)
    assert np.allclose(result.standings[0].theta, problem.minimum.theta + apart[:, -1], rtol=1e-12)
    trace = chunks[0][0].trace
    count = trace.losses.shape[1]
    assert np.allclose(trace.distances, np.linalg.norm(apart[:, :count], axis=2))
    assert np.allclose(trace.norms, np.linalg.norm(scales * apart[:, :count], axis=2))
    assert trace.places is None
    assert np.allclose(result.standings[0].final.train, (scales * apart[:, -1] ** 2).sum(1) / 2)


def test_of_two_parameters_the_path_is_told():
    _, _, chunks, _ = raced(Rosenbrock(spread=0.1), "momentum:lr=0.0005", steps=50)
    path = np.concatenate([one.trace.places for one in chunks[0]])
    assert path.shape == (50, 3, 2)
    assert np.array_equal(path[0], Rosenbrock(spread=0.1).start(3, 0).numpy())


def test_a_step_is_one_epoch_s_share_of_each_replicate_s_own_order():
    problem = Logistic(rows=70)
    (contender,) = parse_contenders("sgd:lr=0.1", batch=32)
    run = Run(problem, contender, 6, 2)
    theta = problem.start(2, 0)
    for step in range(6):
        # 32, 32 and the 6 that are left, then a new order
        epoch, place = divmod(step, 3)
        orders = [np.random.default_rng([0, r, epoch]).permutation(70)[32 * place : 32 * place + 32] for r in range(2)]
        rows = torch.from_numpy(np.stack(orders))
        assert torch.equal(run.batches(1)[0], rows)
        trace = run.advance(1)
        assert np.allclose(trace.losses[:, 0], problem.value(theta, rows).numpy(), rtol=1e-12)
        theta = theta - 0.1 * problem.gradient(theta, rows)
    assert np.allclose(run.answer(), theta.numpy(), rtol=1e-12)
    assert run.at.evaluations == 2 * 70


def test_an_epoch_shows_every_row_once_and_replicates_differ():
    shuffles = Shuffles(100, 3)
    seen = torch.cat(shuffles.batches(4, 2, 32, 0, 4), dim=1).numpy()
    assert np.array_equal(np.sort(seen, axis=1), np.tile(np.arange(100), (3, 1)))
    assert not np.array_equal(seen[0], seen[1])
    # any part of it is the same part
    part = shuffles.batches(4, 2, 32, 1, 2)
    assert torch.equal(torch.cat(part, dim=1), torch.from_numpy(seen[:, 32:96]))


def test_noise_is_the_same_from_wherever_it_is_asked():
    whole = noise(3, 2, 4, 0, 300, 0.5, torch.float64)
    assert torch.equal(noise(3, 2, 4, 60, 100, 0.5, torch.float64), whole[60:160])
    assert float(whole.std()) == pytest.approx(0.5, rel=0.05)
    assert not torch.equal(whole[:, 0], whole[:, 1])


def test_contenders_of_one_seed_begin_alike_and_another_seed_elsewhere():
    _, losses, _, _ = raced(Logistic(), "sgd,adam,sgd:seed=1", steps=2, batch=16)
    assert np.array_equal(losses[0][:, 0], losses[1][:, 0])
    assert not np.array_equal(losses[0][:, 0], losses[2][:, 0])


def test_repeats_itself_bit_for_bit():
    text = ",".join(f"{key}:lr=0.01" for key in RULES)
    one, losses, _, _ = raced(Logistic(rows=90), text, batch=32)
    other, again, _, _ = raced(Logistic(rows=90), text, batch=32)
    for number in losses:
        assert np.array_equal(losses[number], again[number])
        assert np.array_equal(one.standings[number].theta, other.standings[number].theta)


@pytest.mark.parametrize("key", RULES)
@pytest.mark.parametrize("step", [0, 1, 100, 256, 389, 700])
def test_a_fork_with_nothing_changed_repeats_the_run_bit_for_bit(key, step):
    problem = Logistic(rows=90)
    problem.noise = 0.0 if RULES[key].searches else 0.1
    text = f"{key}:lr=0.05" + ("" if RULES[key].searches else ":clip=2:l2=0.01") + ":average=0.5"
    steps = 700
    if RULES[key].searches:
        steps, step = 40, step * 40 // 700
    (contender,) = parse_contenders(text, parse_schedule("cosine:warmup=20"), 32)
    run = Run(problem, contender, steps, 3)
    losses = finished(run)
    fork = drive(run.fork(step))
    assert fork.step == step
    if step < steps:
        assert np.array_equal(finished(fork), losses[:, step:])
    assert np.array_equal(fork.answer(), run.answer())
    assert torch.equal(fork.at.theta, run.at.theta)
    assert fork.at.evaluations == run.at.evaluations


def test_a_fork_repeats_the_changes_too_and_can_be_forked_again():
    problem = Logistic(rows=90)
    one, other, third, fourth = parse_contenders("adam:lr=0.05,adam:lr=0.01,momentum:lr=0.1,sgd:lr=0.1", batch=32)
    for at_once in (True, False):
        run = Run(problem, one, 900, 2)
        if at_once:
            # several at one step, as when a knob is turned while it waits
            run.change(fourth)
            run.change(replace(fourth, batch=16))
        traces = []
        for wanted, until in ((other, 300), (replace(third, batch=16), 517), (None, 900)):
            while run.step < until:
                traces.append(run.advance(until - run.step))
            if wanted is not None:
                run.change(replace(wanted, key="sgd", knobs=None))
                run.change(wanted)
        losses = np.concatenate([trace.losses for trace in traces], 1)
        for step in (0, 200, 300, 400, 517, 600):
            fork = drive(run.fork(step))
            again = drive(fork.fork(step // 2))
            assert np.array_equal(finished(fork), losses[:, step:])
            while again.step < step:
                again.advance(step - again.step)
            assert np.array_equal(finished(again), losses[:, step:])


def test_a_fork_with_another_rate_goes_another_way_from_there():
    problem = Quadratic()
    (one,) = parse_contenders("sgd:lr=0.01")
    run = Run(problem, one, 400, 2)
    finished(run)
    fork = drive(run.fork(250, replace(one, knobs=replace(one.knobs, lr=0.03))))
    assert fork.contender.knobs.lr == 0.03
    result = drive(race(problem, runs=[run, fork]))
    assert (result.standings[1].final.train < result.standings[0].final.train).all()
    assert [standing.steps for standing in result.standings] == [400, 400]
    with pytest.raises(SightlineError, match="has taken 400 steps and cannot be forked at step 401"):
        drive(run.fork(401))


def test_moments_stay_few_and_reach_every_step():
    run = Run(Quadratic(), parse_contenders("adam")[0], 40_000, 1)
    losses = finished(run)
    assert len(run._moments._kept) <= 64
    assert drive(run.fork(0)).step == 0
    fork = drive(run.fork(33_333))
    assert np.array_equal(finished(fork), losses[:, 33_333:])


def test_who_diverges_is_told_and_stays_and_the_others_go_on():
    result, _, chunks, others = raced(Quadratic(), "sgd:lr=1e9,sgd:lr=0.03", steps=200)
    gone, well = result.standings
    assert (gone.diverged >= 0).all()
    assert gone.final_loss == (None, None)
    assert np.isfinite(gone.theta).all()
    assert chunks[0][-1].trace.diverged == 3
    assert (well.diverged == -1).all()
    assert well.final_loss[0] < 1e-4
    notices = [one.text for one in others if isinstance(one, Notice)]
    assert len(notices) == 1
    assert notices[0].startswith("SGD diverges: 3 of 3 replicates")


def test_one_replicate_that_diverges_leaves_the_others_as_they_are():
    class Cliff(Quadratic):
        """Replicate 1 begins so far away that the quartic part throws it out."""

        def start(self, replicates, seed):
            made = super().start(replicates, seed)
            made[1:2] += 100
            return made

        def value(self, theta, rows):
            return super().value(theta, rows) + (theta**4).sum(1)

        def gradient(self, theta, rows):
            return super().gradient(theta, rows) + 4 * theta**3

    result, losses, _, _ = raced(Cliff(), "sgd:lr=0.01", steps=200)
    calm, _, _, _ = raced(Cliff(), "sgd:lr=0.01", steps=200, replicates=1)
    standing = result.standings[0]
    assert (standing.diverged >= 0).tolist() == [False, True, False]
    at = standing.diverged[1]
    assert np.isnan(losses[0][1, at + 1 :]).all()
    assert not np.isnan(losses[0][1, : at + 1]).any()
    assert np.array_equal(standing.theta[0], calm.standings[0].theta[0])
    mean, error = standing.final_loss
    assert mean == pytest.approx(standing.final.train[[0, 2]].mean())
    assert error == pytest.approx(standing.final.train[[0, 2]].std(ddof=1) / 2**0.5)
    # a fork from before finds it alive, one from after finds it gone
    run = result.runs[0]
    assert drive(run.fork(int(at))).at.diverged[1] == -1
    assert drive(run.fork(int(at) + 1)).at.diverged[1] == at


def test_the_full_objective_is_measured_at_the_start_each_epoch_and_the_end():
    problem = Logistic(rows=100)
    result, _, chunks, _ = raced(problem, "adam:lr=0.05", steps=10, batch=32)
    fulls = [full for one in chunks[0] for full in one.trace.full]
    assert [full.step for full in fulls] == [0, 4, 8, 10]
    assert np.array_equal(fulls[0].train, problem.value(problem.start(3, 0), None).numpy())
    assert np.array_equal(fulls[-1].train, result.standings[0].final.train)
    assert np.array_equal(fulls[-1].train, problem.value(torch.from_numpy(result.standings[0].theta), None).numpy())
    assert fulls[0].test is None


def test_lbfgs_counts_what_its_search_evaluates():
    problem = Logistic(rows=100)
    seen = []
    ask = problem.value_and_gradient
    problem.value_and_gradient = lambda theta, rows: (seen.append(len(theta)), ask(theta, rows))[1]
    result, _, _, _ = raced(problem, "lbfgs", steps=8, replicates=2)
    assert result.standings[0].evaluations == pytest.approx(len(seen) / 2 * 100)


def test_curves_grow_together_and_chunks_are_not_too_many():
    begun = time.monotonic()
    steps: dict[int, int] = {}
    count = 0

    def see(event):
        nonlocal count
        if isinstance(event, Chunk):
            count += 1
            steps[event.contender] = event.trace.first + event.trace.losses.shape[1]
            # nobody runs away while another has not begun
            if len(steps) == 4:
                assert max(steps.values()) - min(steps.values()) <= max(64, max(steps.values()) * 0.8)

    drive(race(Logistic(rows=300), parse_contenders("sgd,adam,rmsprop,lion", batch=32), 4000, 10), see)
    assert set(steps.values()) == {4000}
    # the first few rounds, while it learns how long they take, are short
    assert count <= 100 * (time.monotonic() - begun) + 30


def waited_at(job, seen, seconds=0.15):
    """Drive a job until it has waited for a while; events are kept."""
    last = time.monotonic()
    for event in job:
        seen.append(event)
        if event is not None:
            last = time.monotonic()
        if time.monotonic() - last > seconds:
            return


def test_pause_step_a_hundred_steps_another_rate_and_on():
    cell = Cell(RaceKnobs(paused=True))
    contenders = parse_contenders("sgd:lr=0.01,adam:lr=0.05")
    job = race(Quadratic(), contenders, 2000, 2, cell)
    with closing(job):

        def at(until):
            cell.value = replace(cell.value, paused=False, until=until)
            seen = []
            waited_at(job, seen)
            return [e for e in seen if isinstance(e, Chunk)]

        seen = []
        waited_at(job, seen)
        assert not any(isinstance(event, Chunk) for event in seen)
        one = at(1)
        assert [(chunk.contender, chunk.trace.losses.shape[1]) for chunk in one] == [(0, 1), (1, 1)]
        many = at(101)
        assert sum(chunk.trace.losses.shape[1] for chunk in many) == 200
        faster = replace(contenders[0], knobs=replace(contenders[0].knobs, lr=0.02))
        cell.value = replace(cell.value, contenders=(faster, contenders[1]))
        changed = at(102)
        assert changed[0].trace.rates.tolist() == [0.02]
        # what cannot be is told once and left
        cell.value = replace(
            cell.value, contenders=(replace(faster, knobs=replace(faster.knobs, lr=0.0)), contenders[1])
        )
        seen = []
        cell.value = replace(cell.value, until=110)
        waited_at(job, seen)
        assert [e.text for e in seen if isinstance(e, Notice)] == [
            "SGD cannot learn at a rate of 0: give a number above 0."
        ]
        # enough: what is there is the result
        cell.value = replace(cell.value, enough=True)
        result = drive(job)
    assert [standing.steps for standing in result.standings] == [110, 110]
    assert result.runs[0].changes == [(0, contenders[0]), (101, faster)]


def test_a_pace_is_kept():
    begun = time.monotonic()
    drive(race(Quadratic(), parse_contenders("sgd:lr=0.01"), 60, 1, Cell(RaceKnobs(pace=200.0))))
    assert 0.25 < time.monotonic() - begun < 2


def test_closing_stops_at_once_and_leaves_the_threads_as_they_were():
    before = torch.get_num_threads()
    job = race(Logistic(rows=50_000), parse_contenders("sgd,adam", batch=32), 10**6, 10)
    begun = time.monotonic()
    longest = 0.0
    with closing(job):
        for _ in range(40):
            asked = time.monotonic()
            next(job)
            longest = max(longest, time.monotonic() - asked)
    assert time.monotonic() - begun < 20
    assert longest < 0.5
    assert torch.get_num_threads() == before


def test_progress_says_how_far():
    _, _, _, others = raced(Logistic(rows=300), "sgd,adam", steps=3000, batch=32)
    told = [one for one in others if isinstance(one, Progress)]
    assert told[0].what == "Racing 2 rules × 3 replicates"
    assert told[-1].done <= told[-1].total == 3000
    assert told[-1].unit == "steps"


def test_record_keeps_means_and_errors():
    _, losses, chunks, _ = raced(Logistic(rows=90), "adam:lr=0.05", steps=3000, replicates=4, batch=32)
    record = Record()
    for chunk in chunks[0]:
        record.append(chunk.trace)
    assert len(record) == 3000
    assert np.allclose(record.series("loss"), losses[0].mean(0))
    assert np.allclose(record.series("error"), losses[0].std(0, ddof=1) / 2)
    assert np.isnan(record.series("distance")).all()
    assert record.epochs(90)[3] == 1.0
    assert record.steps_to(float(record.series("loss")[700])) <= 700
    assert record.steps_to(-1.0) is None
    assert record.area() == pytest.approx(losses[0].mean())
    assert [full.step for full in record.fulls] == [*range(0, 3000, 3), 3000]
    with pytest.raises(ValueError, match="read-only"):
        record.series("loss")[0] = 0


def test_mean_and_error_leave_out_who_is_gone():
    mean, error = mean_and_error(np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.inf]]))
    assert np.array_equal(mean, [2.0, 4.0, np.nan], equal_nan=True)
    assert np.array_equal(error, [1.0, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: race(Quadratic(), []), "Nobody races: choose one rule or more."),
        (
            lambda: race(Quadratic(), [Contender("sgd")], steps=0),
            "A race of 0 steps and 1 replicates cannot be: give 1 or more of each.",
        ),
        (
            lambda: race(Quadratic(place=(float("nan"), 0.0, 0.0)), [Contender("sgd")]),
            "Quadratic has no value where it begins: look for missing or infinite numbers in its data.",
        ),
    ],
)
def test_what_cannot_race_is_one_sentence(make, said):
    with pytest.raises(SightlineError) as error:
        drive(make())
    assert str(error.value) == said


def test_a_parameter_set_by_hand_is_part_of_the_run():
    # the run is moved after 100 steps; a fork that changes nothing goes the same way, bit for bit
    run = Run(Quadratic(), Contender("momentum", MomentumKnobs(lr=0.01)), 300, 2)
    while run.step < 100:
        run.advance(100 - run.step)
    run.edit(Edit(1, 5.0, replicate=1))
    assert run.at.theta[1, 1] == 5.0
    rest = finished(run)
    fork = drive(run.fork(40))
    traces = []
    while not fork.over:
        traces.append(fork.advance(1000))
    again = np.concatenate([one.losses for one in traces], 1)
    assert np.array_equal(again[:, 60:], rest)
    assert fork.edits == run.edits == [(100, Edit(1, 5.0, replicate=1))]


def test_an_edit_that_cannot_be_leaves_the_run():
    run = Run(Quadratic(), Contender("sgd"), 10, 1)
    with pytest.raises(SightlineError, match="no parameter 99"):
        run.edit(Edit(99, 1.0))
    with pytest.raises(SightlineError, match="no number"):
        run.edit(Edit(0, float("nan")))
    assert not run.edits


def test_a_run_that_was_saved_goes_the_same_way():
    contender = Contender("adam")
    run = Run(Rosenbrock(), contender, 200, 2)
    run.advance(1)
    run.change(replace(contender, knobs=replace(contender.knobs, lr=0.02)))
    run.edit(Edit(0, 0.5))
    rest = finished(run)
    other = Run(Rosenbrock(), contender, 200, 2)
    other.replay(run.history)
    assert np.array_equal(finished(other)[:, 1:], rest)
    assert other.history == run.history


def test_the_twin_goes_beside_the_race():
    _, losses, chunks, _ = raced(Logistic(), "momentum:lr=0.1,lion", steps=300, batch=8, twins=200)
    beside = np.concatenate([one.twin for one in chunks[0] if one.twin is not None], 1)
    assert beside.shape[1] >= 200
    assert np.allclose(beside[:, :200], losses[0][:, :200], rtol=1e-9)
    assert max(one.apart for one in chunks[0] if one.apart is not None) < 1e-9
    # torch has no Lion
    assert all(one.twin is None for one in chunks[1])


def test_an_edit_in_a_race_moves_the_twin_too():
    cell = Cell(RaceKnobs(until=50))
    contender = parse_contenders("sgd:lr=0.01")[0]
    moved, apart = [], []
    with closing(race(Quadratic(), [contender], 100, 1, cell=cell, twins=100)) as job:
        for event in job:
            if isinstance(event, Chunk):
                apart.append(event.apart)
                if event.trace.first + event.trace.losses.shape[1] == 50:
                    cell.value = RaceKnobs(edits=((0, Edit(0, 4.0)),))
            elif isinstance(event, Moved):
                moved.append(event.theta)
    assert len(moved) == 1
    assert moved[0][0, 0] == 4.0
    assert max(apart) < 1e-12


def test_a_run_with_another_name_keeps_what_it_has_planned():
    contender = Contender("sgd", SgdKnobs(lr=0.01))
    run = Run(Quadratic(), contender, 300, 1)
    while run.step < 150:
        run.advance(150 - run.step)
    run.change(replace(contender, knobs=SgdKnobs(lr=0.02)))
    rest = finished(run)
    fork = drive(run.fork(100))
    cell = Cell(RaceKnobs(contenders=(replace(fork.contender, name="SGD from 100", colour=3),)))
    losses = []
    drive(
        race(Quadratic(), cell=cell, runs=(fork,)),
        lambda event: losses.append(event.trace.losses) if isinstance(event, Chunk) else None,
    )
    assert np.array_equal(np.concatenate(losses, 1)[:, 50:], rest)
    assert len(fork.changes) == 2
