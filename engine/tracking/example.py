"""The example: drawn scenes as a source, and the small detector that knows what is drawn in them and nothing else."""

from pathlib import Path

from engine.errors import SightlineError
from engine.media.drawn import DrawnSource
from engine.media.frame import Source
from engine.runtime import resources_folder
from engine.samples.scenes import Scene, scenes

EXAMPLE_WEIGHTS: Path = resources_folder() / "shapes.pt"
"""A narrow YOLO trained by resources/recipes/train_shapes.py: walker, car, ball, dog, kite. For drawn scenes only."""

PREFIX = "example:"
"""What the text of an example begins with, e.g. "example:crowd"."""


def example_names() -> list[str]:
    """The drawn scenes, the one to begin with first."""
    return list(scenes())


def example_scene(name: str = "crowd", seed: int = 0) -> Scene:
    """A drawn scene by name, with or without "example:" before it.

    Raises:
        SightlineError: there is no such scene.
    """
    plain = name.removeprefix(PREFIX).strip() or "crowd"
    make = scenes().get(plain)
    if make is None:
        raise SightlineError(f"There is no example “{plain}”; choose one of {', '.join(example_names())}.")
    return make(seed)


def open_example(name: str = "crowd", seed: int = 0) -> Source:
    """A drawn scene as a source; its text is "example:NAME".

    Raises:
        SightlineError: there is no such scene.
    """
    scene = example_scene(name, seed)
    text = PREFIX + scene.name
    return DrawnSource(scene.name, scene.width, scene.height, scene.fps, scene.frames, scene.draw, text=text)


def example_truth(name: str = "crowd", path: Path | None = None, seed: int = 0) -> Scene:
    """The scene whose `truth(index)` says what is in each frame; with `path`, MOT ground truth is written there too.

    Raises:
        SightlineError: there is no such scene, or the file cannot be written.
    """
    scene = example_scene(name, seed)
    if path is not None:
        try:
            scene.write_mot_truth(path)
        except OSError as error:
            why = (error.strerror or "the system refused").lower()
            raise SightlineError(f"Cannot write {path}: {why}. Choose another folder.") from error
    return scene
