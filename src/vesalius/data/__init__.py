"""Datasets and images: from a folder on disk to samples and pixels.

``manifest`` loads a dataset folder, ``readers`` one image, ``masks`` one label map, ``volumes``
cuts volumes into slices, ``check`` names everything that is wrong with a folder. A file that
cannot be used raises `vesalius.errors.DataError` with one of the codes in `reading.REASONS`.
"""
