"""The panel *Models*.

In: the weights and detectors on this machine. Out: which of them a fusion uses;
downloads only after consent.
"""
