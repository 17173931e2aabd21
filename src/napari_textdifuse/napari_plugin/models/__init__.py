"""The panel *Models*.

In: the weights and detectors on this machine. Out: the choice for the next fusion;
downloads only after consent.
"""
