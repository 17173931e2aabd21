"""Segment Anything: from a box to an outline (Kirillov et al. 2023, arXiv:2304.02643)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ..errors import WeightsError, name_of
from .boxes import Boxes
from .checkpoints import (
    CHECKPOINTS,
    load_pretrained,
    model_type,
    preprocessing,
    sha256,
    transformers_classes,
    usable_files,
)
from .rendering import Picture
from .segmenter import BATCH, Embedding, Floats, Masks, Segmenter


class TransformersSam:
    """A SAM model from a folder in transformers' format (SAM ViT-B/L/H, SlimSAM, MedSAM ...).

    Parameters
    ----------
    folder : Path
        With ``config.json``, weights and ``preprocessor_config.json``.
    device : torch.device

    Raises
    ------
    WeightsError
        If a file is missing, damaged or of another architecture.
    MissingDependencyError
        If transformers is missing or cannot be imported.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        if model_type(folder) != "sam":
            raise WeightsError(
                f"{name_of(folder)} contains no SAM model; name one as the segmenter."
            )
        with transformers_classes():
            from transformers import SamImageProcessorPil, SamModel
        self.model = load_pretrained(SamModel, folder).to(device)
        with usable_files(folder, "preprocessor_config.json"):
            self.processor = SamImageProcessorPil.from_pretrained(folder, local_files_only=True)
        self.device = device
        self.name = folder.name
        self.sha256 = sha256(folder)

    @torch.inference_mode()
    def encode(self, picture: Picture) -> Embedding:
        """Run the image encoder on an image of shape (Y, X, 3)."""
        inputs = self.processor(
            images=picture, return_tensors="pt", input_data_format="channels_last"
        )
        tensor = self.model.get_image_embeddings(inputs["pixel_values"].to(self.device))
        height, width = (int(n) for n in inputs["reshaped_input_sizes"][0])
        return Embedding(tensor, (picture.shape[0], picture.shape[1]), (height, width))

    @torch.inference_mode()
    def segment(self, image: Embedding, boxes: Boxes) -> Masks:
        """Return one mask per box; see `Segmenter`."""
        scale = np.array([new / old for new, old in zip(image.input_size, image.size, strict=True)])
        scaled = torch.as_tensor(boxes * np.tile(scale[::-1], 2), dtype=torch.float32)
        masks = [np.zeros((0, *image.size), bool)]
        for part in torch.split(scaled, BATCH) if len(scaled) else ():
            outputs = self.model(
                image_embeddings=image.tensor,
                input_boxes=part[None].to(self.device),
                multimask_output=False,
            )
            full = self.processor.post_process_masks(
                outputs.pred_masks.float(), [image.size], [image.input_size]
            )
            masks.append(full[0][:, 0].cpu().numpy())
        return np.concatenate(masks)

    @torch.inference_mode()
    def outline(
        self,
        image: Embedding,
        box: Floats | None,
        points: Floats,
        labels: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.bool_], float]:
        """Return one object's mask and its estimated overlap; see `Segmenter`."""
        scale = np.array([new / old for new, old in zip(image.input_size, image.size, strict=True)])
        given: dict[str, torch.Tensor] = {}
        if box is not None:
            scaled = torch.as_tensor(box * np.tile(scale[::-1], 2), dtype=torch.float32)
            given["input_boxes"] = scaled[None, None].to(self.device)
        if len(points):
            scaled = torch.as_tensor(points * scale[::-1], dtype=torch.float32)
            given["input_points"] = scaled[None, None].to(self.device)
            given["input_labels"] = torch.as_tensor(labels)[None, None].to(self.device)
        outputs = self.model(
            image_embeddings=image.tensor,
            multimask_output=box is None and len(points) == 1,
            **given,
        )
        best = int(outputs.iou_scores[0, 0].argmax())
        full = self.processor.post_process_masks(
            outputs.pred_masks[:, :, best, None].float(), [image.size], [image.input_size]
        )
        return full[0][0, 0].cpu().numpy(), float(outputs.iou_scores[0, 0, best])


class Sam2Segmenter:
    """SAM 2 or 2.1 for 2-D images, from a folder in transformers' format.

    (Ravi et al. 2024, arXiv:2408.00714.) Images are scaled here: transformers' own processor
    needs torchvision.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and weights.
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
            from transformers import Sam2Model
        self.model = load_pretrained(Sam2Model, folder).to(device)
        self.side = int(self.model.config.prompt_encoder_config.image_size)
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
        self.prepare = preprocessing(folder, self.side, mean, std)
        self.device = device
        self.name = folder.name
        self.sha256 = sha256(folder)

    @torch.inference_mode()
    def encode(self, picture: Picture) -> Embedding:
        """Run the image encoder on an image of shape (Y, X, 3)."""
        levels = self.model.get_image_embeddings(self.prepare(picture).to(self.device))
        size = (picture.shape[0], picture.shape[1])
        return Embedding(levels[-1], size, (self.side, self.side), tuple(levels[:-1]))

    @torch.inference_mode()
    def segment(self, image: Embedding, boxes: Boxes) -> Masks:
        """Return one mask per box; see `Segmenter`."""
        masks = [np.zeros((0, *image.size), bool)]
        scaled = torch.as_tensor(boxes * self._scale(image, 2), dtype=torch.float32)
        for part in torch.split(scaled, BATCH) if len(scaled) else ():
            outputs = self.model(
                image_embeddings=[*image.finer, image.tensor],
                input_boxes=part[None].to(self.device),
                multimask_output=False,
            )
            masks.append(self._full(outputs.pred_masks[0, :, 0], image.size))
        return np.concatenate(masks)

    @torch.inference_mode()
    def outline(
        self,
        image: Embedding,
        box: Floats | None,
        points: Floats,
        labels: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.bool_], float]:
        """Return one object's mask and its estimated overlap; see `Segmenter`."""
        given: dict[str, torch.Tensor] = {}
        if box is not None:
            scaled = torch.as_tensor(box * self._scale(image, 2), dtype=torch.float32)
            given["input_boxes"] = scaled[None, None].to(self.device)
        if len(points):
            scaled = torch.as_tensor(points * self._scale(image, 1), dtype=torch.float32)
            given["input_points"] = scaled[None, None].to(self.device)
            given["input_labels"] = torch.as_tensor(labels)[None, None].to(self.device)
        outputs = self.model(
            image_embeddings=[*image.finer, image.tensor],
            multimask_output=box is None and len(points) == 1,
            **given,
        )
        best = int(outputs.iou_scores[0, 0].argmax())
        full = self._full(outputs.pred_masks[0, 0, best, None], image.size)
        return full[0], float(outputs.iou_scores[0, 0, best])

    def _scale(self, image: Embedding, pairs: int) -> Floats:
        """Return the factors from pixels, x first, to the network's."""
        factors = [self.side / image.size[1], self.side / image.size[0]] * pairs
        return np.array(factors, np.float32)

    def _full(self, masks: torch.Tensor, size: tuple[int, int]) -> Masks:
        scaled = torch.nn.functional.interpolate(
            masks[None].float(), size=size, mode="bilinear", align_corners=False
        )
        return np.asarray((scaled[0] > 0).cpu().numpy(), bool)


def load_segmenter(path: Path, device: torch.device) -> Segmenter:
    """Load SAM from a folder (transformers) or a file (segment-anything).

    Parameters
    ----------
    path : Path
    device : torch.device

    Raises
    ------
    WeightsError
        If there is nothing of the kind, or it is damaged.
    """
    if path.is_dir():
        if model_type(path) in ("sam2", "sam2_video"):
            return Sam2Segmenter(path, device)
        return TransformersSam(path, device)
    if not path.is_file():
        raise WeightsError(
            f"There is no SAM folder or checkpoint {name_of(path)!r}; check the path."
        )
    if path.suffix not in CHECKPOINTS:
        raise WeightsError(
            f"{path.name} is neither a SAM checkpoint (.pth) nor a folder in transformers' format."
        )
    from .sam_checkpoint import CheckpointSam

    return CheckpointSam(path, device)
