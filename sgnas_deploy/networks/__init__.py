"""Deployed networks in PyTorch: what is retrained, and what an export is compared with."""
