"""Fixtures for every test: own folders, no network, and guards against what a test leaves behind."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["SIGHTLINE_HOME"] = tempfile.mkdtemp(prefix="sightline-tests-")

from engine import runtime  # noqa: E402

runtime.prepare()

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real clips and weights; the test is skipped where `SIGHTLINE_ASSETS` is unset."""
    folder = os.environ.get("SIGHTLINE_ASSETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SIGHTLINE_ASSETS to the folder of real clips and weights to run this test")
    return Path(folder)
