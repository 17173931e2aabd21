"""Detectors for free text, Grounding DINO and SAM 3, and the choice of class for a folder.

Grounding DINO (Liu et al. 2023, arXiv:2303.05499), MM-Grounding-DINO (Zhao et al. 2024,
arXiv:2401.02361) and SAM 3 (Carion et al. 2025, arXiv:2511.16719) through transformers. OWL-ViT is
in `owlvit`. None needs torchvision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..errors import WeightsError, name_of
from .boxes import clip
from .checkpoints import (
    load_pretrained,
    load_tokenizer,
    model_type,
    preprocessing,
    sha256,
    transformers_classes,
    usable_files,
)
from .owlvit import Boxed, OwlDetector
from .rendering import Picture

#: ``model_type`` of the models that outline what they find, so that no segmenter is needed.
OUTLINING = ("sam3", "sam3_video")


class Detector(Protocol):
    """A detector that finds boxes for phrases."""

    name: str
    sha256: str

    def encode(self, picture: Picture) -> Any:
        """Compute what does not depend on the prompt; the result has ``nbytes``."""
        ...

    def detect(self, image: Any, phrases: Sequence[str], threshold: float) -> list[Boxed]:
        """Find phrases independently; one `Boxed` per phrase."""
        ...


@dataclass(frozen=True)
class Pixels:
    """An image as network input.

    Parameters
    ----------
    values : dict of str to Tensor
    size : tuple of int
        ``(Y, X)`` of the image.
    """

    values: dict[str, torch.Tensor]
    size: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(tensor.nbytes for tensor in self.values.values())


class GroundingDinoDetector:
    """Grounding DINO or MM-Grounding-DINO from a folder in transformers' format.

    Text and image meet early in these networks, so each phrase costs a whole run.

    Parameters
    ----------
    folder : Path
    device : torch.device

    Raises
    ------
    WeightsError
        If a file is missing, damaged or of another architecture.
    MissingDependencyError
        If transformers cannot be imported.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        with transformers_classes():
            import transformers as hf

            model_class = {
                "grounding-dino": hf.GroundingDinoForObjectDetection,
                "mm-grounding-dino": hf.MMGroundingDinoForObjectDetection,
            }[model_type(folder)]
            processor, tokenizer = hf.GroundingDinoImageProcessorPil, hf.BertTokenizer
        self.model = load_pretrained(model_class, folder).to(device)
        words = self.model.config.text_config.vocab_size
        with usable_files(folder, "preprocessor_config.json or tokenizer files"):
            self.processor = processor.from_pretrained(folder, local_files_only=True)
            files = ("tokenizer.json", "vocab.txt")
            self.tokenizer = load_tokenizer(tokenizer, folder, words, files, special=4)
        self.device, self.name, self.sha256 = device, folder.name, sha256(folder)

    def encode(self, picture: Picture) -> Pixels:
        """Scale and normalise an image of shape (Y, X, 3)."""
        inputs = self.processor(
            images=picture, return_tensors="pt", input_data_format="channels_last"
        )
        values = {k: inputs[k].to(self.device) for k in ("pixel_values", "pixel_mask")}
        return Pixels(values, (picture.shape[0], picture.shape[1]))

    @torch.inference_mode()
    def detect(self, image: Pixels, phrases: Sequence[str], threshold: float) -> list[Boxed]:
        """Find phrases; see `Detector`."""
        return [self._detect(image, phrase, threshold) for phrase in phrases]

    def _detect(self, image: Pixels, phrase: str, threshold: float) -> Boxed:
        tokens = self.tokenizer(
            f"{phrase.lower().rstrip('.')}.",
            truncation=True,
            max_length=int(self.model.config.max_text_len),
            return_tensors="pt",
        ).to(self.device)
        outputs = self.model(**image.values, **tokens)
        # entries that are not tokens of the phrase are minus infinity
        scores = outputs.logits[0].float().sigmoid().amax(dim=-1)
        return _boxed(_corners(outputs.pred_boxes[0].float()), scores, image.size, threshold)


class Sam3Detector:
    """SAM 3 from a folder in transformers' format: boxes and outlines for a phrase at once.

    Parameters
    ----------
    folder : Path
    device : torch.device

    Raises
    ------
    WeightsError
        If a file is missing, damaged or of another architecture.
    MissingDependencyError
        If transformers cannot be imported.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        with transformers_classes():
            from transformers import CLIPTokenizer, Sam3Model
        self.model = load_pretrained(Sam3Model, folder).to(device)
        config = self.model.config
        config = getattr(config, "detector_config", None) or config
        self.text = config.text_config
        self.side = int(config.vision_config.backbone_config.image_size)
        self.prepare = preprocessing(folder, self.side, mean=(0.5,) * 3, std=(0.5,) * 3)
        with usable_files(folder, "tokenizer files"):
            files = ("tokenizer.json", "vocab.json")
            self.tokenizer = load_tokenizer(CLIPTokenizer, folder, self.text.vocab_size, files)
        self.device, self.name, self.sha256 = device, folder.name, sha256(folder)

    @torch.inference_mode()
    def encode(self, picture: Picture) -> Encoded:
        """Run the image encoder: the slow part, once per image."""
        pixels = self.prepare(picture).to(self.device)
        return Encoded(self.model.get_vision_features(pixels), picture.shape[:2])

    @torch.inference_mode()
    def detect(self, image: Encoded, phrases: Sequence[str], threshold: float) -> list[Boxed]:
        """Find phrases; see `Detector`. The boxes come with their masks."""
        return [self._detect(image, phrase, threshold) for phrase in phrases]

    def _detect(self, image: Encoded, phrase: str, threshold: float) -> Boxed:
        tokens = self.tokenizer(
            phrase,
            padding="max_length",
            truncation=True,
            max_length=int(self.text.max_position_embeddings),
            return_tensors="pt",
        ).to(self.device)
        outputs = self.model(vision_embeds=image.features, **tokens)
        scores = outputs.pred_logits[0].float().sigmoid()
        if outputs.presence_logits is not None:
            scores = scores * outputs.presence_logits[0].float().sigmoid()
        boxes = outputs.pred_boxes[0].float()
        return _boxed(boxes, scores, image.size, threshold, outputs.pred_masks[0].float())


@dataclass(frozen=True)
class Encoded:
    """The output of SAM 3's image encoder.

    Parameters
    ----------
    features : Sam3VisionEncoderOutput
    size : tuple of int
        ``(Y, X)`` of the image.
    """

    features: Any
    size: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        found = self.features
        lists = (found.fpn_hidden_states, found.fpn_position_encoding, [found.last_hidden_state])
        return sum(t.nbytes for tensors in lists for t in tensors if t is not None)


def load_detector(folder: Path, device: torch.device) -> Detector:
    """Load the detector in a folder.

    Raises
    ------
    WeightsError
        If it contains none, or a file is missing or damaged.
    MissingDependencyError
        If transformers cannot be imported.
    """
    kind = model_type(folder)
    if kind in ("owlvit", "owlv2"):
        return OwlDetector(folder, device)
    if kind in ("grounding-dino", "mm-grounding-dino"):
        return GroundingDinoDetector(folder, device)
    if kind in OUTLINING:
        return Sam3Detector(folder, device)
    raise WeightsError(f"{name_of(folder)} contains a {kind!r} model, which is not a detector.")


def _corners(boxes: torch.Tensor) -> torch.Tensor:
    centre, size = boxes[:, :2], boxes[:, 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


def _boxed(
    corners: torch.Tensor,
    scores: torch.Tensor,
    size: tuple[int, int],
    threshold: float,
    masks: torch.Tensor | None = None,
) -> Boxed:
    """Scale boxes from fractions to pixels, and masks to the image; keep the good ones."""
    scale = torch.tensor([size[1], size[0]] * 2, device=corners.device)
    boxes, usable = clip((corners * scale).cpu().numpy(), size)
    values = np.where(usable, scores.cpu().numpy(), 0).astype(np.float32)
    keep = usable & (values >= threshold)
    full = None
    if masks is not None:
        chosen = masks[torch.as_tensor(keep, device=masks.device)]
        full = np.zeros((0, *size), bool)
        if len(chosen):
            scaled = torch.nn.functional.interpolate(
                chosen[None], size=size, mode="bilinear", align_corners=False
            )
            full = (scaled[0] > 0).cpu().numpy()
    return Boxed(boxes[keep], values[keep], float(values.max(initial=0)), full)
