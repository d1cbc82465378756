"""Hold benchmarks: scripts that print ratios; none is a test."""
