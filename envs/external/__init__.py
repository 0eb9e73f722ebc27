"""Environments of other people, under the same run folder, evaluation and report."""
