"""The Kalman filter of SORT and DeepSORT for all tracks at once.

Wojke et al. 2017, section 2.1: the state is (x, y, a, h) and its velocities, with constant velocity; (x, y) is the
centre of the box, a its width over its height, h its height, all in pixels. Motion and noise treat the four numbers
alike and apart, and a new track's covariance is diagonal, so the 8x8 covariance stays four blocks of 2x2 for ever.
A state is therefore (n, 5, 4) float64: value, velocity, and of each block the variance of the value, the covariance
and the variance of the velocity. The same answer as the 8x8 filter, without one matrix being inverted.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VALUE, VELOCITY, P_VALUE, P_CROSS, P_VELOCITY = range(5)
_STD_POSITION = 1 / 20
_STD_VELOCITY = 1 / 160

CHI2_95 = 9.4877
"""The 95 % quantile of the chi-square distribution with 4 degrees of freedom: the paper's gate t(1)."""
CHI2_95_POSITION = 5.9915
"""The same with 2 degrees of freedom."""


def measure(boxes: NDArray[np.float32]) -> Floats:
    """(n, 4) boxes left, top, right, bottom as measurements (n, 4) float64 x, y, a, h."""
    boxes = boxes.astype(np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    z = np.empty((len(boxes), 4))
    z[:, :2] = boxes[:, :2] + size / 2
    z[:, 2] = size[:, 0] / size[:, 1]
    z[:, 3] = size[:, 1]
    return z


def boxes_of(state: Floats) -> Floats:
    """(n, 4) float64 left, top, right, bottom of each state."""
    x = state[:, VALUE]
    half = np.stack([x[:, 2] * x[:, 3] / 2, x[:, 3] / 2], axis=1)
    return np.concatenate([x[:, :2] - half, x[:, :2] + half], axis=1)


def _noise(height: Floats, share: float, of_ratio: float) -> Floats:
    """(n, 4) variances of x, y, a, h: a share of the height, and a fixed deviation of the ratio."""
    variance = np.empty((len(height), 4))
    variance[:] = np.square(share * height)[:, None]
    variance[:, 2] = of_ratio * of_ratio
    return variance


def initiate(z: Floats) -> Floats:
    """New states (n, 5, 4) from measurements (n, 4), with unknown velocity."""
    state = np.zeros((len(z), 5, 4))
    state[:, VALUE] = z
    state[:, P_VALUE] = _noise(z[:, 3], 2 * _STD_POSITION, 1e-2)
    state[:, P_VELOCITY] = _noise(z[:, 3], 10 * _STD_VELOCITY, 1e-5)
    return state


def predict(state: Floats) -> Floats:
    """One frame ahead."""
    height = state[:, VALUE, 3]
    ahead = state.copy()
    ahead[:, VALUE] += state[:, VELOCITY]
    ahead[:, P_VALUE] += 2 * state[:, P_CROSS] + state[:, P_VELOCITY] + _noise(height, _STD_POSITION, 1e-2)
    ahead[:, P_CROSS] += state[:, P_VELOCITY]
    ahead[:, P_VELOCITY] += _noise(height, _STD_VELOCITY, 1e-5)
    return ahead


def project(state: Floats, doubt: Floats | None = None) -> Floats:
    """(n, 4) variances S of the measurement that is expected.

    Args:
        state: (n, 5, 4).
        doubt: (n,) factor of the measurement's noise; NSA (Du et al. 2021) takes 1 - confidence. None is 1.
    """
    noise = _noise(state[:, VALUE, 3], _STD_POSITION, 1e-1)
    return state[:, P_VALUE] + (noise if doubt is None else noise * doubt[:, None])


def update(state: Floats, z: Floats, doubt: Floats | None = None) -> Floats:
    """States corrected by one measurement each: `state` (n, 5, 4), `z` (n, 4)."""
    s = project(state, doubt)
    gain = state[:, P_VALUE] / s
    gain_velocity = state[:, P_CROSS] / s
    innovation = z - state[:, VALUE]
    new = np.empty_like(state)
    new[:, VALUE] = state[:, VALUE] + gain * innovation
    new[:, VELOCITY] = state[:, VELOCITY] + gain_velocity * innovation
    new[:, P_VALUE] = state[:, P_VALUE] - gain * gain * s
    new[:, P_CROSS] = state[:, P_CROSS] - gain * gain_velocity * s
    new[:, P_VELOCITY] = state[:, P_VELOCITY] - gain_velocity * gain_velocity * s
    return new


def gate_distance(state: Floats, z: Floats) -> Floats:
    """Equation 1: d(1), the squared Mahalanobis distance of each track (n) from each measurement (m), (n, m)."""
    d = z[None] - state[:, None, VALUE]
    distance: Floats = np.einsum("nmk,nk->nm", d * d, 1.0 / project(state))
    return distance
