"""Segment Anything: from a box to an outline (Kirillov et al. 2023, arXiv:2304.02643)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ..errors import WeightsError
from .boxes import Boxes
from .checkpoints import CHECKPOINTS, load_pretrained, model_type, sha256
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
            raise WeightsError(f"{folder} holds no SAM model; name one as the segmenter.")
        try:
            from transformers import SamImageProcessorPil, SamModel
        except (ImportError, RuntimeError) as error:
            from .owlvit import unusable_transformers

            raise unusable_transformers(error) from None
        self.model = load_pretrained(SamModel, folder).to(device)
        try:
            self.processor = SamImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise WeightsError(
                f"{folder} has no usable preprocessor_config.json ({type(error).__name__}); "
                "download the model again."
            ) from None
        self.device = device
        self.name = folder.name
        self.sha256 = sha256(folder)

    @torch.inference_mode()
    def encode(self, picture: Picture) -> Embedding:
        """Run the image encoder on a picture of shape (Y, X, 3)."""
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
        return TransformersSam(path, device)
    if not path.is_file():
        raise WeightsError(f"There is no SAM folder or checkpoint {str(path)!r}; check the path.")
    if path.suffix not in CHECKPOINTS:
        raise WeightsError(
            f"{path.name} is no SAM checkpoint (.pth), and no folder in transformers' format."
        )
    from .sam_checkpoint import CheckpointSam

    return CheckpointSam(path, device)
