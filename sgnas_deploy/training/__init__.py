"""Training: recipes, checkpoints, the loop, and what is trained by it."""
