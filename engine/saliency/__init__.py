"""Explain: which pixels made a network say what it said, and how far that can be trusted."""
