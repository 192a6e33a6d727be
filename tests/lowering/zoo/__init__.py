"""Networks of many kinds, each with the totals that its paper or a count by hand gives.

Every file defines `ENTRIES`; `test_networks.py` lowers them all. A network is built twice: full, without weights
(torch's meta device), for the totals; and small, with weights from a seed, for its numbers.
"""
