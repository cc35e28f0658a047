"""Weights: what is known of each file (cards), how it is fetched, and how it is loaded without running it."""
