"""Units, errors, seeds, files, run folders: what every room needs. Imports nothing of ours."""
