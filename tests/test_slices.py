"""Values over a plane, contour lines, and the plane through runs: against what is known in closed form."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.learning.surfaces import quadratic, rosenbrock
from engine.optimizers.slices import (
    ROWS,
    SAMPLE,
    Field,
    Slice,
    contours,
    field_of,
    levels,
    room,
    slice_field,
    slice_of,
)

torch = pytest.importorskip("torch")


class Squares:
    """The mean over rows of |theta - row|^2 / 2: a bowl around the rows' mean."""

    title, minimum, noise, dtype = "Squares", None, 0.0, torch.float64

    def __init__(self, rows, parameters=3):
        self.data = torch.from_numpy(np.random.default_rng(0).standard_normal((rows, parameters)))
        self.rows, self.parameters = rows, parameters

    def value(self, theta, rows):
        data = self.data[None] if rows is None else self.data[rows]
        return ((theta[:, None] - data) ** 2).sum(2).mean(1) / 2


def test_a_field_has_the_objectives_values_row_0_at_the_bottom():
    field = drive(field_of(rosenbrock(), -2, 2, -1, 3, size=9))
    for row, y in enumerate(np.linspace(-1, 3, 9)):
        for column, x in enumerate(np.linspace(-2, 2, 9)):
            assert field.values[row, column] == np.float32((1 - x) ** 2 + 100 * (y - x**2) ** 2)


def test_a_field_is_made_in_pieces_that_are_told():
    seen = []
    drive(field_of(rosenbrock(), -2, 2, -1, 3), seen.append)
    assert len(seen) > 1
    assert all(isinstance(event, Progress) for event in seen)
    assert seen[-1].done == seen[-1].total == 96 * 96


def test_the_value_between_places_is_linear_and_none_outside():
    field = Field(0, 1, 0, 2, np.array([[0, 1], [2, 3]], np.float32))
    assert field.at(0.5, 1) == 1.5
    assert field.at(1, 2) == 3
    assert field.at(1.01, 1) is None
    assert Field(0, 1, 0, 1, np.array([[1, np.inf], [2, np.inf]], np.float32)).at(0, 0.5) == 1.5


def test_what_has_no_plane_is_refused():
    with pytest.raises(SightlineError, match="3 parameters"):
        drive(field_of(Squares(5), 0, 1, 0, 1))
    with pytest.raises(SightlineError, match="empty"):
        drive(field_of(rosenbrock(), 1, 1, 0, 1))
    with pytest.raises(SightlineError, match="empty"):
        drive(field_of(rosenbrock(), 0, float("nan"), 0, 1))


def test_the_slice_of_runs_in_a_plane_is_that_plane():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((50, 2)))[0].T
    flat = rng.standard_normal((300, 2)) * (5, 1)
    thetas = flat @ basis + 3.0
    cut = slice_of(thetas)
    assert np.array_equal(cut.origin, thetas[-1])
    assert np.allclose([cut.along @ cut.along, cut.across @ cut.across, cut.along @ cut.across], [1, 1, 0])
    assert np.allclose(cut.lift(cut.project(thetas)), thetas)
    spread = np.abs(cut.project(thetas)).mean(0)
    assert spread[0] > 3 * spread[1]


def test_the_principal_directions_are_scikit_learns():
    from sklearn.decomposition import PCA

    thetas = np.random.default_rng(2).standard_normal((200, 6)) * (9, 5, 2, 1, 1, 1)
    cut = slice_of(thetas, origin=thetas.mean(0))
    for mine, theirs in zip((cut.along, cut.across), PCA(2).fit(thetas).components_, strict=True):
        assert abs(mine @ theirs) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("thetas", [np.ones((1, 4)), np.ones((9, 4)), np.outer(np.arange(9), [1.0, 2, 3, 4])])
def test_too_few_directions_are_completed(thetas):
    cut = slice_of(thetas)
    assert np.allclose([cut.along @ cut.along, cut.across @ cut.across, cut.along @ cut.across], [1, 1, 0])


def test_diverged_places_are_left_out_of_a_slice():
    thetas = np.random.default_rng(3).standard_normal((50, 4))
    wild = np.concatenate([[np.full(4, np.nan), np.full(4, 1e300)], thetas])
    assert np.isfinite(slice_of(wild).along).all()
    one = slice_of(np.concatenate([thetas[:1], [[1e9, 0, 0, 0]], thetas[1:]]))
    assert abs(one.along @ slice_of(thetas).along) == pytest.approx(1, abs=1e-6)
    with pytest.raises(SightlineError, match="diverged"):
        slice_of(np.full((3, 4), np.nan))


def test_a_slice_of_one_parameter_does_not_change_upwards():
    cut = slice_of(np.array([[0.0], [1.0]]))
    assert cut.along.tolist() == [1.0]
    assert cut.across.tolist() == [0.0]


def test_a_slice_has_the_full_objective():
    problem = Squares(40)
    cut = Slice(np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), np.array([0.0, 0, 1]))
    field = drive(slice_field(problem, cut, -1, 1, -2, 2, size=5))
    theta = torch.tensor([[1.0, 0.5, -1.0]], dtype=torch.float64)
    assert field.values[1, 3] == np.float32(problem.value(theta, None)[0])
    assert field.rows == 0


def test_a_slice_over_much_data_takes_the_same_sample_everywhere():
    problem = Squares(ROWS + 1)
    cut = slice_of(np.eye(3))
    field = drive(slice_field(problem, cut, -1, 1, -1, 1, size=4))
    assert field.rows == SAMPLE
    whole = [
        float(problem.value(torch.from_numpy(cut.lift(np.array([[x, y]]))), None)[0])
        for y in np.linspace(-1, 1, 4)
        for x in np.linspace(-1, 1, 4)
    ]
    assert np.allclose(field.values.ravel(), whole, atol=0.1)
    # one sample: the differences between places have no noise of their own
    again = drive(slice_field(problem, cut, -1, 1, -1, 1, size=4))
    assert np.array_equal(field.values, again.values)


def test_room_has_all_points_in_it_to_one_scale():
    points = np.array([[0.0, 0], [4, 1], [np.nan, 2], [np.inf, 0], [1e9, 3]])
    x0, x1, y0, y1 = room(points)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert x0 < 0
    assert x1 > 4
    assert (x0 + x1) / 2 == pytest.approx(2)
    wide = room(points, aspect=2.0)
    assert wide[1] - wide[0] == pytest.approx(2 * (wide[3] - wide[2]))
    assert wide[0] < 0 < 4 < wide[1]


def test_room_without_a_spread_is_still_room():
    assert room(np.empty((0, 2)))[0] < 0 < room(np.empty((0, 2)))[1]
    x0, x1, _y0, _y1 = room(np.full((5, 2), 3.0))
    assert x0 < 3 < x1


def test_contour_lines_of_a_quadratic_are_its_ellipses():
    field = drive(field_of(quadratic(4.0), -3, 3, -3, 3))
    lines = contours(field, (0.5, 2.0))
    assert [line.share for line in lines] == [0.0, 1.0]
    for line in lines:
        x, y = line.points.T
        assert np.allclose((x**2 + 4 * y**2) / 2, line.level, atol=0.02)


def test_levels_rise_by_a_factor_above_the_lowest_value():
    field = drive(field_of(rosenbrock(), -2, 2, -1, 3))
    rising = np.array(levels(field, lowest=0.0))
    assert len(rising) == 14
    assert np.allclose(rising[1:] / rising[:-1], rising[1] / rising[0])
    assert rising[-1] < field.values.max()


def test_flat_and_infinite_fields_have_few_lines_and_no_errors():
    assert levels(Field(0, 1, 0, 1, np.ones((4, 4), np.float32))) == ()
    assert levels(Field(0, 1, 0, 1, np.full((4, 4), np.nan, np.float32))) == ()
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    values[3, 3] = np.inf
    field = Field(0, 1, 0, 1, values)
    assert all(np.isfinite(line.points).all() for line in contours(field, levels(field)))
