"""What torch lacks: pure functions, registered operators and thin modules over them. Knows nothing of silicon."""
