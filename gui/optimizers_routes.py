"""What can only be meant for the page Optimize; read before the page itself is made, so it imports nothing."""

from pathlib import Path

EXAMPLE = "example:optimize"
TEXT = "sightline:race?"
RACE = ".race"
TABLES = (".csv", ".tsv", ".parquet", ".pq")


def claims(text: str) -> bool:
    """Whether a text names a table, a race that was saved, the set-up of one, or the example."""
    from engine.media.source import cleaned

    text = cleaned(text.strip())
    if text.startswith((EXAMPLE, TEXT)):
        return True
    suffix = Path(text).suffix.lower()
    return suffix == RACE or suffix in TABLES
