"""Benchmarks on public tables: what generated architectures are worth where the truth is known."""
