"""A Typer application of somebody else that records through usagectl."""
