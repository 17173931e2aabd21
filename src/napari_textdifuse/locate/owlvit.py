"""OWL-ViT and OWLv2: boxes for free text (Minderer et al. 2022, arXiv:2205.06230; 2306.09683)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..errors import WeightsError, name_of
from .boxes import Boxes, Scores, clip
from .checkpoints import (
    load_pretrained,
    load_tokenizer,
    model_type,
    sha256,
    transformers_classes,
    usable_files,
)
from .rendering import Picture

#: As in the examples of the models' authors: a phrase within a caption scores better than alone.
TEMPLATE = "a photo of a {}"


@dataclass(frozen=True)
class ImageFeatures:
    """The output of the image encoder for one image; independent of the prompt.

    Parameters
    ----------
    features : Tensor, shape (1, P, D)
        One vector per patch.
    boxes : Tensor, shape (1, P, 4)
        One box per patch, centre and size as fractions of the model's input.
    size : tuple of int
        ``(Y, X)`` of the image.
    """

    features: torch.Tensor
    boxes: torch.Tensor
    size: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.features.nbytes + self.boxes.nbytes


@dataclass(frozen=True)
class Boxed:
    """Boxes for one phrase.

    Parameters
    ----------
    boxes : ndarray of float32, shape (N, 4)
        Edges XYXY in pixels of the image, within it.
    scores : ndarray of float32, shape (N,)
        In [0, 1], above the threshold.
    best : float
        Highest score of any box in the image, also below the threshold.
    masks : ndarray of bool, shape (N, Y, X), optional
        Outlines, where the detector draws them itself.
    """

    boxes: Boxes
    scores: Scores
    best: float
    masks: npt.NDArray[np.bool_] | None = None


class OwlDetector:
    """An OWL-ViT or OWLv2 model from a folder in transformers' format.

    Parameters
    ----------
    folder : Path
        With ``config.json``, weights, ``preprocessor_config.json`` and the tokenizer's files.
    device : torch.device

    Raises
    ------
    WeightsError
        If a file is missing, damaged or of another architecture.
    MissingDependencyError
        If transformers is missing or cannot be imported.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        kind = model_type(folder)
        model_class, processor_class, tokenizer_class = _classes(kind, folder)
        model = load_pretrained(model_class, folder)
        self.model = model.to(device)
        self.backbone = model.owlvit if kind == "owlvit" else model.owlv2
        words = model.config.text_config.vocab_size
        with usable_files(folder, "preprocessor_config.json or tokenizer files"):
            _require(folder)
            self.processor = processor_class.from_pretrained(folder, local_files_only=True)
            files = ("tokenizer.json", "vocab.json")
            self.tokenizer = load_tokenizer(tokenizer_class, folder, words, files)
        self.length = int(model.config.text_config.max_position_embeddings)
        self.device = device
        self.name = folder.name
        self.sha256 = sha256(folder)

    @torch.inference_mode()
    def encode(self, picture: Picture) -> ImageFeatures:
        """Run the image encoder: the slow part, once per image.

        Parameters
        ----------
        picture : ndarray of uint8, shape (Y, X, 3)
        """
        inputs = self.processor(
            images=picture, return_tensors="pt", input_data_format="channels_last"
        )
        grid, _ = self.model.image_embedder(inputs["pixel_values"].to(self.device))
        features = grid.reshape(1, -1, grid.shape[-1])
        boxes = self.model.box_predictor(features, grid)
        return ImageFeatures(features, boxes, (picture.shape[0], picture.shape[1]))

    @torch.inference_mode()
    def detect(self, image: ImageFeatures, phrases: Sequence[str], threshold: float) -> list[Boxed]:
        """Find phrases, each independently of the others in the prompt.

        Parameters
        ----------
        image : ImageFeatures
        phrases : sequence of str
        threshold : float
            Lowest score to keep.

        Returns
        -------
        list of Boxed
            One per phrase.
        """
        tokens = self.tokenizer(
            [TEMPLATE.format(phrase) for phrase in phrases],
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        ).to(self.device)
        text = self.backbone.get_text_features(tokens["input_ids"], tokens["attention_mask"])
        queries = text if isinstance(text, torch.Tensor) else text.pooler_output
        logits, _ = self.model.class_predictor(image.features, queries[None])
        return [self._boxed(logits[..., k, None], image, threshold) for k in range(len(phrases))]

    def _boxed(self, logits: torch.Tensor, image: ImageFeatures, threshold: float) -> Boxed:
        # transformers knows how each model's boxes relate to the image: OWL-ViT squashes it to a
        # square, OWLv2 pads it to one
        outputs = _Outputs(logits.float(), image.boxes.float())
        found = self.processor.post_process_object_detection(
            outputs, threshold=-1.0, target_sizes=[image.size]
        )[0]
        boxes, usable = clip(found["boxes"].cpu().numpy(), image.size)
        scores = np.where(usable, found["scores"].cpu().numpy(), 0).astype(np.float32)
        keep = usable & (scores >= threshold)
        return Boxed(boxes[keep], scores[keep], float(scores.max(initial=0)))


@dataclass(frozen=True)
class _Outputs:
    """The two fields that transformers' post-processing reads."""

    logits: torch.Tensor
    pred_boxes: torch.Tensor


def _require(folder: Path) -> None:
    """Require files that transformers would replace by defaults, such as an empty vocabulary."""
    tokenizer: tuple[str, ...] = ("vocab.json", "merges.txt")
    if (folder / "tokenizer.json").is_file():
        tokenizer = ("tokenizer.json",)
    for name in ("preprocessor_config.json", *tokenizer):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{name} is missing")


def _classes(kind: str, folder: Path) -> tuple[Any, Any, Any]:
    """Import the classes for an architecture; the PIL processors need no torchvision."""
    with transformers_classes():
        import transformers as hf

        if kind == "owlvit":
            classes = hf.OwlViTForObjectDetection, hf.OwlViTImageProcessorPil
        elif kind == "owlv2":
            classes = hf.Owlv2ForObjectDetection, hf.Owlv2ImageProcessorPil
        else:
            raise WeightsError(
                f"{name_of(folder)} contains a {kind!r} model, which is not a detector."
            )
        return *classes, hf.CLIPTokenizer
