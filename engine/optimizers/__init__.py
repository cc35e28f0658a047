"""Optimize: rules written from scratch, racing on anything that has a value, a gradient and a start."""
