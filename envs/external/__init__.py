"""Third-party environments, with the same run folders, evaluation and reports."""
