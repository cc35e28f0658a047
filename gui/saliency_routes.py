"""What can only be meant for the page Explain; read before the page itself is made, so it imports nothing."""

from pathlib import Path

from engine.files import is_file

EXAMPLE = "example:explain"


def is_classifier(folder: Path) -> bool:
    """Whether this is the folder of a network that was trained here, by what lies in it."""
    return is_file(folder / "card.json") and is_file(folder / "weights.safetensors")


def claims(text: str) -> bool:
    """Whether a text names a trained network or the drawn example."""
    from engine.media.source import cleaned

    return text == EXAMPLE or is_classifier(Path(cleaned(text)).expanduser())
