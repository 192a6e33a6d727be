"""Complete runs, each with what was published beside it; the rows of the survey that they show."""
