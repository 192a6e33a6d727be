"""Mapping loops to an array and its memories: what a mapping costs, and a search that always has an answer."""
