"""Fusion: does joining modalities, or models, beat the best single one on the same patients?

Named inputs (`slots`) of frozen features go through heads that all have one form, ``fit(train,
val, seed)``, which gives a function from inputs to class probabilities. Everything that is fitted
sees train rows, everything that is chosen sees val rows, and test rows are only predicted.
"""
