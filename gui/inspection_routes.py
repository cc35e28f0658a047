"""What can only be meant for the page Inspect; read before the page itself is made, so it imports nothing."""

from pathlib import Path

from engine.files import is_file, is_folder

GOOD = "good"
EXAMPLE = "example:textures"
MODEL_FILE = "model.json"


def is_model(folder: Path) -> bool:
    """Whether this is a fitted model's folder, by what lies in it."""
    return is_file(folder / MODEL_FILE)


def is_data_set(folder: Path) -> bool:
    """Whether this is laid out as MVTec AD is: a category, or a folder of categories."""
    try:
        if (folder / "train" / GOOD).is_dir():
            return True
        return any((inner / "train" / GOOD).is_dir() for inner in folder.iterdir() if inner.is_dir())
    except OSError:
        return False


def claims(text: str) -> bool:
    """Whether a text names a data set, a fitted model or the drawn example."""
    from engine.media.source import cleaned

    path = Path(cleaned(text)).expanduser()
    return text == EXAMPLE or (is_folder(path) and (is_model(path) or is_data_set(path)))
