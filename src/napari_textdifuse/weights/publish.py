"""Publish your own weights on the Hugging Face hub, with a model card, after consent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..downloads import reason
from ..errors import WeightsError, file_in, name_of
from .description import NAME as CONFIG
from .hub import CARD, HubWeights
from .opening import open_folder
from .store import WeightsFolder, load_chroma, load_fast, load_light

_DOCS = "https://napari-textdifuse.github.io/napari-textdifuse"


@dataclass(frozen=True)
class Upload:
    """The files to upload.

    Parameters
    ----------
    weights : HubWeights
        Destination.
    private : bool
        Whether a new repository is for its owner only.
    files : dict of str to bytes or Path
        Content by name on the hub.
    """

    weights: HubWeights
    private: bool
    files: dict[str, bytes | Path]

    def listing(self) -> list[tuple[str, int, str]]:
        """Return name, size in bytes and SHA-256 of each file."""
        contents = {n: c if isinstance(c, bytes) else c.read_bytes() for n, c in self.files.items()}
        return [(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in contents.items()]


def prepare(
    folder: Path, weights: HubWeights, private: bool = False, licence: str | None = None
) -> Upload:
    """Check a weights folder, and collect the files to upload; does not ask.

    Parameters
    ----------
    folder : Path
        As training writes it. Only ``config.json``, the safetensors files that it names and a card
        are uploaded. A ``README.md`` in the folder is the card; otherwise one is written.
    weights : HubWeights
        Without a revision.
    private : bool
    licence : str, optional
        The hub's identifier, such as ``"cc-by-4.0"``, for a card written here.

    Raises
    ------
    WeightsError
        If the folder does not verify or load, contains the authors' checkpoints, or its
        ``README.md`` is not a model card.
    """
    opened = open_folder(folder)
    if not isinstance(opened, WeightsFolder):
        raise WeightsError(
            f"{name_of(folder)} contains the authors' released checkpoints, which only they may "
            "publish; push weights of your own training."
        )
    load_light(opened)  # verifies, too
    load_fast(opened)
    load_chroma(opened)
    files: dict[str, bytes | Path] = {CONFIG: opened.path / CONFIG}
    files |= {file.name: file for file in opened.files}
    files[CARD] = _own_card(opened) or _new_card(opened, weights, licence)
    return Upload(weights, private, files)


def push(upload: Upload) -> str:
    """Upload in one commit; the user has agreed.

    The login is that of ``hf auth login`` or ``HF_TOKEN``; it is never shown.

    Parameters
    ----------
    upload : Upload

    Returns
    -------
    str
        The commit.

    Raises
    ------
    WeightsError
        If the hub refuses or cannot be reached, ``HF_HUB_OFFLINE`` is set, or a repository that
        was to be private is public. Then nothing is published on the hub.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token

    repo = upload.weights.repo
    if constants.HF_HUB_OFFLINE:
        raise WeightsError("HF_HUB_OFFLINE is set, so nothing is uploaded; unset it.")
    if get_token() is None:
        raise WeightsError(
            "You are not logged in to the Hugging Face hub; run 'hf auth login' with a token that "
            "has write permission, and push again."
        )
    api = HfApi(library_name="napari-textdifuse", library_version=__version__)
    try:
        api.create_repo(repo, private=upload.private or None, exist_ok=True)
        if upload.private and not api.model_info(repo).private:
            raise WeightsError(
                f"{repo} already exists and is public, so nothing was uploaded; make it private on "
                "its page, or publish it openly."
            )
        commit = api.create_commit(
            repo,
            [CommitOperationAdd(name, content) for name, content in upload.files.items()],
            commit_message=f"Weights for napari-textdifuse {__version__}",
        )
    except WeightsError:
        raise
    except Exception as error:  # of httpx, ssl, socket and the hub
        raise _refused(repo, error) from None
    return str(commit.oid)


def _own_card(folder: WeightsFolder) -> Path | None:
    """Return the folder's own card; its metadata must be valid for the hub."""
    from huggingface_hub import ModelCard

    path = folder.path / CARD
    if not path.is_file():
        return None
    try:
        card = ModelCard(path.read_text("utf-8"))
        found = any(vars(card.data).values())
    except Exception as error:  # of yaml and the hub
        raise WeightsError(
            f"The metadata of {file_in(path)} cannot be read ({reason(error)}); correct the lines "
            "between the --- at its beginning, or remove the file to get a new card."
        ) from None
    if not found:
        raise WeightsError(
            f"{file_in(path)} has no metadata; begin it with lines such as 'license: cc-by-4.0' "
            "between two lines ---, or remove the file to get a new card."
        )
    return path


def _new_card(folder: WeightsFolder, weights: HubWeights, licence: str | None) -> bytes:
    from huggingface_hub import ModelCardData

    training: dict[str, Any] = folder.config.get("training") or {}
    settings = training.get("settings") or {}
    data = ModelCardData(
        license=licence,
        library_name="napari-textdifuse",
        pipeline_tag="image-to-image",
        tags=["image-fusion", "medical-imaging", "diffusion", "text-difuse", "napari"],
        model_name=folder.name,
    )
    facts = [f"- Stages of training: {', '.join(training.get('stages') or ['not recorded'])}"]
    for key, words in (("train", "trained on"), ("held_out", "held out")):
        if isinstance(settings.get(key), int):
            facts.append(f"- Images or pairs {words}: {settings[key]}")
    facts += [
        f"- Architecture: {folder.architecture}, fusion {folder.config.get('fusion', 'fcm')}",
        f"- SHA-256 of {folder.file.name}: {folder.sha256}",
    ]
    text = f"""\
# {folder.name}

Weights for [napari-textdifuse]({_DOCS}), which fuses two images of the same anatomy or scene into
one, in which the objects named by a text prompt stand out.

**For research. Not for diagnosis.**

    textdifuse weights download {weights.repo} --yes
    textdifuse fuse A B --weights {weights.repo} --out DIR

## Facts

{chr(10).join(facts)}

The network may invent structure in images unlike its training data; see
[how far to trust a fused image]({_DOCS}/explanation/trust/). The owner of these weights should
state training data, licence and limits here.
"""
    return f"---\n{data.to_yaml()}\n---\n\n{text}".encode()


def _refused(repo: str, error: Exception) -> WeightsError:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in (401, 403):
        return WeightsError(
            f"The hub does not let you write to {repo} ({status}); check the owner's name, and run "
            "'hf auth login' with a token that has write permission."
        )
    return WeightsError(
        f"The hub ({constants.ENDPOINT}) did not accept {repo} ({reason(error)}); nothing of it is "
        "published, push again later."
    )


def training_facts(folder: Path) -> str:
    """Return the training facts in ``config.json``, which are uploaded with it."""
    config = open_folder(folder).config
    shown = {"name": config.get("name"), "training": config.get("training")}
    return json.dumps(shown, indent=2)
