"""The same picture in two splits under other bytes: recompressed, resized or windowed anew."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt64
from PIL import Image as Pillow
from scipy import fft

from vesalius.data.slices import slices
from vesalius.engine.sources import DataSource
from vesalius.errors import DataError
from vesalius.imaging import display_pixels
from vesalius.records import Json, Sample

EDGE = 64
HASH_EDGE = 8
MAX_DISTANCE = 8
MIN_CORRELATION = 0.995  # unrelated chests of one device reach 0.99, a recompressed one 0.999
MOST_IMAGES = 20_000
MOST_LISTED = 100
_RULE = {"hash": "64-bit DCT", "max_distance": MAX_DISTANCE, "min_correlation": MIN_CORRELATION}
_BLOCK = 1 << 22
_WORKERS = 4


def near_duplicates(
    source: DataSource, samples: Sequence[Sample], before: Mapping[str, Json] | None = None, /
) -> dict[str, Json]:
    """Pairs of samples from different splits that show nearly the same picture, as JSON.

    Candidates differ in at most 8 bits of a perceptual hash; they count if the grey pictures of
    64 × 64 pixels correlate at 0.995 or more, whatever their brightness and contrast. Of a volume
    the middle slice counts. Found are copies that were recompressed, resized or windowed anew; not
    found are copies that were cropped, turned or mirrored. Equal files stand under
    ``duplicates_across_splits`` and are left out here, and so are pictures of one grey.

    Args:
        source: reads the images.
        samples: the rows that take part.
        before: what ``run.json`` says of the dataset already; taken over if nothing has changed.

    Returns:
        The rule (``hash``, ``max_distance``, ``min_correlation``), ``n_images`` compared,
        ``n_pairs`` found, the first 100 ``pairs`` of ids, and a ``reason`` if none was compared.

    Source: Zauner (2010), Implementation and benchmarking of perceptual image hash functions,
        section 3.2.1, for the hash.
    """
    if before and before["fingerprint"] == source.fingerprint:
        known: dict[str, Json] = before.get("near_duplicates", {})
        if known.items() >= _RULE.items():
            return known
    readable = sorted((s for s in samples if s.id in source.digests), key=lambda s: s.id)
    reason = _why_not_compared(readable)
    pictures = {} if reason else _pictures(source, readable)
    pairs = _pairs([s for s in readable if s.id in pictures], pictures, source.digests)
    return _RULE | {
        "n_images": len(pictures),
        "n_pairs": len(pairs),
        "pairs": pairs[:MOST_LISTED],
        "reason": reason,
    }


def _why_not_compared(samples: Sequence[Sample]) -> str:
    if len({sample.split for sample in samples}) < 2:
        return "all images stand in one split"
    if len(samples) > MOST_IMAGES:
        return f"{len(samples)} images, at most {MOST_IMAGES} are compared"
    return ""


def _pictures(
    source: DataSource, samples: Sequence[Sample]
) -> dict[str, UInt8[np.ndarray, "64 64"]]:
    """Small grey pictures by sample id; files that cannot be read are named elsewhere."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = pool.map(partial(_picture, source), samples)
        return {
            s.id: picture for s, picture in zip(samples, found, strict=True) if picture is not None
        }


def _picture(source: DataSource, sample: Sample) -> UInt8[np.ndarray, "64 64"] | None:
    try:
        image = source.dataset.read(sample)
    except DataError:
        return None
    if image.is_volume:
        (image,) = slices(image, n=1, window=source.dataset.card.window_hu)
    grey = Pillow.fromarray(display_pixels(image)).convert("L")
    return np.asarray(grey.resize((EDGE, EDGE), Pillow.Resampling.BOX))


def _pairs(
    samples: Sequence[Sample],
    pictures: Mapping[str, UInt8[np.ndarray, "64 64"]],
    digests: Mapping[str, str],
) -> list[list[str]]:
    if not samples:
        return []
    stack = np.stack([pictures[sample.id] for sample in samples])
    splits = np.array([sample.split for sample in samples])
    files = np.array([digests[sample.id] for sample in samples])
    pairs = []
    for near in _candidates(perceptual_hashes(stack)):
        apart = (splits[near[0]] != splits[near[1]]) & (files[near[0]] != files[near[1]])
        first, second = (places[apart] for places in near)
        alike = correlations(stack, first, second) >= MIN_CORRELATION
        both = zip(first[alike].tolist(), second[alike].tolist(), strict=True)
        pairs += [[samples[i].id, samples[j].id] for i, j in both]
    return pairs


def perceptual_hashes(pictures: UInt8[np.ndarray, "n 64 64"], /) -> UInt64[np.ndarray, " n"]:
    """One 64-bit hash per picture; small changes of the picture flip few of its bits.

    Each bit says whether one of the 8 × 8 lowest frequencies of the picture at 32 × 32 pixels
    lies above their median, the mean grey left out of it.
    """
    half = EDGE // 2
    small = pictures.reshape(-1, half, 2, half, 2).mean(axis=(2, 4))
    waves = fft.dctn(small, axes=(1, 2))[:, :HASH_EDGE, :HASH_EDGE].reshape(len(pictures), -1)
    bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
    found: np.ndarray = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


def _candidates(
    hashes: UInt64[np.ndarray, " n"],
) -> Iterator[tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]]:
    """Places of pictures whose hashes are close, the first below the second, block by block."""
    n_rows = max(1, _BLOCK // len(hashes))
    for start in range(0, len(hashes), n_rows):
        block = hashes[start : start + n_rows, None]
        near = np.bitwise_count(block ^ hashes[None, start:]) <= MAX_DISTANCE
        first, second = np.nonzero(np.triu(near, k=1))
        yield first + start, second + start


def correlations(
    pictures: UInt8[np.ndarray, "n 64 64"],
    first: Int[np.ndarray, " m"],
    second: Int[np.ndarray, " m"],
    /,
) -> Float[np.ndarray, " m"]:
    """Pearson correlation of the pixels of each pair of pictures; NaN if one has a single grey."""
    found = np.full(len(first), np.nan)
    size = _BLOCK // EDGE**2
    for start in range(0, len(first), size):
        part = slice(start, start + size)
        one, other = (_centred(pictures[places[part]]) for places in (first, second))
        lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
        products = (one * other).sum(axis=1)
        found[part] = np.divide(
            products, lengths, out=np.full_like(products, np.nan), where=lengths > 0
        )
    return found


def _centred(pictures: UInt8[np.ndarray, "m 64 64"]) -> Float[np.ndarray, "m pixels"]:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    centred: np.ndarray = flat - flat.mean(axis=1, keepdims=True)
    return centred
