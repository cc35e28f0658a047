"""The whole program in a real X window: it starts on a source, tracks it, and leaves in order."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def display():
    """An X server of our own."""
    if sys.platform != "linux" or shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (Debian: xvfb)")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    number = b""
    while not number.endswith(b"\n"):
        number += os.read(read, 16)
    yield f":{number.decode().strip()}"
    os.close(read)
    server.terminate()
    server.wait()


def test_it_opens_tracks_and_quits_with_0(display, tmp_path):
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "SIGHTLINE_HOME": str(tmp_path)}
    program = subprocess.Popen(
        [sys.executable, "main.py", "example:crossing"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    # until the network has been prepared for this processor and tracking is under way
    until = time.monotonic() + 120
    exports = tmp_path / "data" / "weights"
    while time.monotonic() < until and program.poll() is None and not any(exports.rglob("*.bin")):
        time.sleep(0.2)
    time.sleep(3)
    assert program.poll() is None, program.communicate()[1]
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 0, err
    assert "Traceback" not in err
    assert out == ""
    assert (tmp_path / "config" / "window.ini").exists(), "what was chosen is kept"
