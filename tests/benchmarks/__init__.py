"""Benchmarks: scripts that print ratios; none is a test."""
