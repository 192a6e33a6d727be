"""What torch lacks: pure functions, registered operators and thin modules over them. Knows nothing of silicon."""

from lamina.nn.scan import scan as scan

__all__ = ["scan"]
