"""Lamina: one network, carried from data to silicon."""
