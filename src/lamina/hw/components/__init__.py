"""Energy, latency and area per action, each with its citation and technology node. A component is a file."""
