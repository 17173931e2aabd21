"""The downloadable models, and their location on this machine.

Nothing here touches the network; `napari_textdifuse.downloads` does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .checkpoints import Role, find

#: A folder (or several, separated as in PATH) with the user's locator weights.
VARIABLE = "TEXTDIFUSE_LOCATOR_WEIGHTS"

_TOKENIZER = ("vocab.json", "merges.txt")


@dataclass(frozen=True)
class HubModel:
    """A model on the Hugging Face hub.

    Parameters
    ----------
    name : str
        Its name in commands.
    repo : str
    role : {"detector", "segmenter"}
    megabytes : int
        Size of the download, as last seen.
    licence : str
    note : str
        Its use.
    required : tuple of str
        Files without which it cannot be used.
    optional : tuple of str
        Files that are downloaded too if the repository has them.
    gated : bool
        Whether its authors require a login and an agreement on the hub's page first.
    revision : str, optional
        Commit; default: the newest.
    """

    name: str
    repo: str
    role: Role
    megabytes: int
    licence: str
    note: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    gated: bool = False
    revision: str | None = None

    @property
    def by_hand(self) -> str:
        """How to use files from another source."""
        return "name its folder with --locator-weights"


def _detector(name: str, megabytes: int, note: str) -> HubModel:
    return HubModel(
        name,
        f"google/{name}",
        "detector",
        megabytes,
        "Apache-2.0",
        note,
        ("config.json", "model.safetensors", "preprocessor_config.json", *_TOKENIZER),
        ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    )


def _segmenter(repo: str, megabytes: int, note: str) -> HubModel:
    name = repo.split("/")[1].lower()
    required = ("config.json", "model.safetensors", "preprocessor_config.json")
    return HubModel(name, repo, "segmenter", megabytes, "Apache-2.0", note, required)


def _sam2(repo: str, megabytes: int, note: str) -> HubModel:
    name = repo.split("/")[1].lower()
    required = ("config.json", "model.safetensors")
    optional = ("preprocessor_config.json", "processor_config.json")
    return HubModel(name, repo, "segmenter", megabytes, "Apache-2.0", note, required, optional)


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
        "grounding-dino-tiny",
        "IDEA-Research/grounding-dino-tiny",
        "detector",
        690,
        "Apache-2.0",
        "more exact than OWL-ViT on phrases; each phrase costs a run",
        _DINO_FILES,
        _DINO_OPTIONAL,
    ),
    HubModel(
        "mm-grounding-dino-tiny",
        "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
        "detector",
        692,
        "Apache-2.0",
        "Grounding DINO, trained on open data",
        _DINO_FILES,
        _DINO_OPTIONAL,
    ),
    HubModel(
        "sam3",
        "facebook/sam3",
        "detector",
        3440,
        "SAM License (of Meta)",
        "detects and outlines objects; needs 8 GB of memory, preferably a GPU",
        ("config.json", "model.safetensors", "tokenizer.json"),
        (*_TOKENIZER, "processor_config.json", "preprocessor_config.json", "tokenizer_config.json"),
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
