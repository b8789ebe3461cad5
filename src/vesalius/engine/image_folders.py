"""Two folders of images compared: what somebody generated with what is true."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vesalius.data.readers import read_image
from vesalius.engine.judges import load_judge
from vesalius.engine.progress import Progress, no_progress
from vesalius.errors import DataError, InputError
from vesalius.records import Estimate, Image
from vesalius.tasks.generation_compare import Comparison, compare_images
from vesalius.tasks.generation_pictures import as_image, picture_of

JUDGE = "mini:biomedclip"


@dataclass(frozen=True, slots=True)
class FolderComparison:
    """What two folders have in common.

    Attributes:
        estimates: SSIM, multi-scale SSIM and PSNR of pairs, Fréchet and kernel distance of sets.
        n_generated: images that were compared.
        n_references: images that they were compared with.
        paired: whether each was compared with its namesake.
        problems: file → why it could not be read; it was left out.
    """

    estimates: tuple[Estimate, ...]
    n_generated: int
    n_references: int
    paired: bool
    problems: Mapping[str, str] = field(default_factory=dict)


def compare_folders(
    generated: str | Path,
    references: str | Path,
    *,
    judge: str = JUDGE,
    how: Comparison | None = None,
    progress: Progress = no_progress,
) -> FolderComparison:
    """Compare generated images with references, as pairs of the same file name or as two sets.

    Images are pairs if both folders hold the same names, endings aside; otherwise only distances
    of the sets are computed. Each image is brought to a small grey square first, see `Comparison`.
    Intervals resample images: what belongs to one patient is not known here.

    Args:
        generated: folder of files in any format that `read_image` knows; not searched for folders.
        references: the same.
        judge: the encoder whose features the distances compare: ``inception-v3`` for FID, or a
            model's name.
        how: size, pairing and resampling; ``paired`` is honoured where names allow pairs.
        progress: told of every file.

    Raises:
        InputError: if a folder is missing or none of its files can be read.
        ModelError: if the judge's files are missing.
    """
    how = how or Comparison()
    problems: dict[str, str] = {}
    made, true = (
        _read(Path(folder), how.side, problems, progress) for folder in (generated, references)
    )
    paired = how.paired and made.keys() == true.keys()
    names = sorted(true)
    found = compare_images(
        [true[name] for name in names],
        [made[name] for name in (names if paired else sorted(made))],
        load_judge(judge),
        how=replace(how, paired=paired),
    )
    return FolderComparison(found, len(made), len(true), paired, problems)


def _read(
    folder: Path, side: int, problems: dict[str, str], progress: Progress
) -> dict[str, Image]:
    """Name without ending → small picture; what cannot be read is noted."""
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of images")
    paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    advance = progress(f"reading {folder.name}", len(paths))
    found: dict[str, Image] = {}
    for path in paths:
        try:
            image = read_image(path)
            if path.stem in found:
                raise InputError(f"{path}: another file has the name {path.stem!r}; rename one")
            found[path.stem] = as_image(picture_of(image, side=side))
        except DataError as error:
            problems[f"{folder.name}/{path.name}"] = str(error)
        advance(1)
    if not found:
        raise InputError(f"{folder}: none of its {len(paths)} files is an image that can be read")
    return found
