"""The engine room: knows no Qt, usable from a notebook; everything long is a generator (see `engine.job`)."""
