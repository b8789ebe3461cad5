"""What a run says, for people: tables, figures and one self-contained page.

Nothing here computes a metric; every number is read from a run folder.
"""
