"""A lesson beside the picture that it is about: idea, formula, how to read it, where it misleads, and the paper."""

from gui import lesson
from gui.lesson import Paper, Part

CAPTIONS = ("Idea", "How to read it", "Where it misleads")
HINT = "Press a map: its lesson is shown here."


class LessonPanel(lesson.LessonPanel):
    """The lesson of one method; it scrolls where there is little room.

    Attributes:
        key: of the lesson that is shown; "" before the first.
    """

    def __init__(self) -> None:
        super().__init__(HINT)

    def show_lesson(self, key: str) -> None:
        """Show the lesson with this key of `engine.saliency.lessons.LESSONS`; one that is shown stays where it is."""
        from engine.saliency.lessons import LESSONS

        found = LESSONS[key]
        texts = zip(CAPTIONS, (found.idea, found.reading, found.misleads), strict=True)
        parts = [Part(picture=key, spoken=found.formula), *(Part(caption, text) for caption, text in texts)]
        self.show_parts(key, found.title, parts, Paper(found.authors, found.address, found.paper))
