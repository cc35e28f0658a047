"""The series colours: the same for a track, a rule or a class, on screen and in files."""

SERIES = ("#4c9ffe", "#ffb02e", "#3ecf8e", "#f472b6", "#a78bfa", "#f87171")
"""As "#rrggbb"; number n takes `SERIES[n % 6]`."""


def series(number: int) -> str:
    """The colour of the `number`-th track, class or rule."""
    return SERIES[number % len(SERIES)]


def bgr(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as the (blue, green, red) that OpenCV draws with."""
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)
