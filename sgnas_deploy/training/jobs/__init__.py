"""Whole trainings: from data and a recipe to files, one file a job."""
