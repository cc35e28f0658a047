"""What a person is told when something cannot be done."""


class SightlineError(Exception):
    """Bad input or circumstances: one sentence that says what happened and what the person can do about it.

    Anything else that is raised is a defect of ours. The sentence names the file, camera or address it is about,
    and has no traceback, no exception class and no library's prefix in it.
    """
