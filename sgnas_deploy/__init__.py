"""Search spaces, latency tables, supernet, generator, budget solver, export and verdict."""

__version__ = "0.1.0"
