"""The verbs of foresightctl, a file for each group of them, and how their answers look."""
