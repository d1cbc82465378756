"""A Click application of somebody else that records through usagectl."""
