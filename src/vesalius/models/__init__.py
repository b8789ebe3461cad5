"""Adapters, one a file, numpy at the boundary.

Nothing is imported here, so that looking at a checkpoint needs no torch.
"""
