"""What applications know and models do not: metrics, made-up sequences with a known answer, tokenising. Pure functions.

A stranger to models, training and data: it takes arrays and tensors, and recipes bring them together.
"""
