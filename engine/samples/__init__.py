"""Drawn data with exact truth: the examples that work with no network, and the tests' own data. numpy and cv2 only."""
