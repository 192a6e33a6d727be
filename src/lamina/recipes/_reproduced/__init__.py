"""What papers print of their machines, beside what the models say: one file a machine, the folder is the registry.

A file has `figures() -> list[Reproduction]`, computed anew on every call from `hw` and `emulation`; nothing is stored.
"""
