"""The downloadable models, and their location on this machine.

Nothing here touches the network; `napari_textdifuse.downloads` does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..downloads import Repository
from ..errors import InputError
from .checkpoints import Role, find

#: A folder (or several, separated as in PATH) with the user's locator weights.
VARIABLE = "TEXTDIFUSE_LOCATOR_WEIGHTS"

_TOKENIZER = ("vocab.json", "merges.txt")


@dataclass(frozen=True, kw_only=True)
class HubModel(Repository):
    """A model on the Hugging Face hub, see `downloads.Repository`.

    Parameters
    ----------
    name : str
        Its name in commands.
    role : {"detector", "segmenter"}
    megabytes : int
        Size of the download, as last seen.
    licence : str
    note : str
        Its use.
    """

    name: str
    role: Role
    megabytes: int
    licence: str = "Apache-2.0"
    note: str
    by_hand: str = "name its folder with weights= of the locator"


def _detector(name: str, megabytes: int, note: str) -> HubModel:
    return HubModel(
        name=name,
        repo=f"google/{name}",
        role="detector",
        megabytes=megabytes,
        note=note,
        required=("config.json", "model.safetensors", "preprocessor_config.json", *_TOKENIZER),
        optional=("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    )


def _segmenter(
    repo: str,
    megabytes: int,
    note: str,
    required: tuple[str, ...] = ("config.json", "model.safetensors", "preprocessor_config.json"),
    optional: tuple[str, ...] = (),
) -> HubModel:
    return HubModel(
        name=repo.split("/")[1].lower(),
        repo=repo,
        role="segmenter",
        megabytes=megabytes,
        note=note,
        required=required,
        optional=optional,
    )


def _sam2(repo: str, megabytes: int, note: str) -> HubModel:
    required = ("config.json", "model.safetensors")
    optional = ("preprocessor_config.json", "processor_config.json")
    return _segmenter(repo, megabytes, note, required, optional)


_DINO_FILES = ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json")
_DINO_OPTIONAL = ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json")

#: In order of preference if several are on the machine.
MODELS = (
    _detector("owlvit-base-patch32", 615, "the paper's detector; natural images, fast"),
    _detector("owlv2-base-patch16-ensemble", 622, "better on small objects, six times slower"),
    _segmenter(
        "facebook/sam-vit-base", 375, "the paper's segmenter; half a minute an image on 2 cores"
    ),
    _segmenter("Zigeng/SlimSAM-uniform-77", 39, "pruned SAM for small machines"),
    HubModel(
        name="grounding-dino-tiny",
        repo="IDEA-Research/grounding-dino-tiny",
        role="detector",
        megabytes=690,
        note="more exact than OWL-ViT on phrases; each phrase costs a run",
        required=_DINO_FILES,
        optional=_DINO_OPTIONAL,
    ),
    HubModel(
        name="mm-grounding-dino-tiny",
        repo="openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
        role="detector",
        megabytes=692,
        note="Grounding DINO, trained on open data",
        required=_DINO_FILES,
        optional=_DINO_OPTIONAL,
    ),
    HubModel(
        name="sam3",
        repo="facebook/sam3",
        role="detector",
        megabytes=3440,
        licence="SAM License (of Meta)",
        note="detects and outlines objects; needs 8 GB of memory, preferably a GPU",
        required=("config.json", "model.safetensors", "tokenizer.json"),
        optional=(
            *_TOKENIZER,
            "processor_config.json",
            "preprocessor_config.json",
            "tokenizer_config.json",
        ),
        gated=True,
    ),
    _sam2("facebook/sam2.1-hiera-tiny", 156, "SAM 2.1: several times faster than SAM"),
    _sam2("facebook/sam2.1-hiera-small", 184, "a little larger SAM 2.1"),
    _segmenter("facebook/sam-vit-large", 1250, "larger SAM"),
    _segmenter("facebook/sam-vit-huge", 2564, "largest SAM; needs 8 GB of memory"),
)


def get_model(name: str) -> HubModel:
    """Return a model by its name.

    Raises
    ------
    InputError
        If there is none; the message lists the names.
    """
    for model in MODELS:
        if name.lower() in (model.name, model.repo.lower()):
            return model
    raise InputError(
        f"There is no model {name!r} to download; choose from: "
        f"{', '.join(model.name for model in MODELS)}."
    )


def download_folder(model: HubModel) -> Path:
    """Return the folder for a model's download, inside ``HF_HOME``."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "textdifuse" / model.name


def local_folder(model: HubModel) -> Path | None:
    """Look for a model on this machine: downloaded here, or in the hub's own cache."""
    folder = download_folder(model)
    if all((folder / name).is_file() for name in model.required):
        return folder
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(model.repo, name) for name in model.required]
    found = [Path(path) for path in paths if isinstance(path, str)]
    return found[0].parent if len(found) == len(paths) else None


def resolve(
    role: Role,
    given: str | os.PathLike[str] | None,
    folder: str | os.PathLike[str] | None,
    preferred: str | Sequence[str],
) -> Path | None:
    """Find the weights for a role; never over the network.

    Parameters
    ----------
    role : {"detector", "segmenter"}
    given : str or PathLike, optional
        A folder, a checkpoint file, or the name of a model.
    folder : str or PathLike, optional
        A folder to search first; if it has nothing for the role, the search continues.
    preferred : str or sequence of str
        Names of the preferred models among those on the machine.

    Returns
    -------
    Path or None
        None if there are none. A given path is returned unchanged, so that errors are reported
        when it is loaded.

    Raises
    ------
    WeightsError
        If `folder` does not exist.
    """
    if given is not None:
        path = Path(given)
        named = [m for m in MODELS if str(given).lower() in (m.name, m.repo.lower())]
        return local_folder(named[0]) if named and not path.exists() else path
    places = [Path(folder)] if folder is not None else []
    places += [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]
    for place in places:
        if role in (there := find(place)):
            return there[role]
    first = [preferred] if isinstance(preferred, str) else [*preferred]
    candidates = sorted(
        (m for m in MODELS if m.role == role),
        key=lambda m: first.index(m.name) if m.name in first else len(first),
    )
    return next(filter(None, map(local_folder, candidates)), None)
