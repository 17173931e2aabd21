"""SAM from its authors' checkpoint files, through segment-anything."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..errors import WeightsError
from ..stopping import interruptible
from ..weights.tensors import check_values, differences
from .boxes import Boxes
from .checkpoints import sha256
from .rendering import Picture
from .segmenter import BATCH, Embedding, Floats, Masks
from .torchvision_standin import import_segment_anything

#: Width of the image encoder -> its name.
VARIANTS = {768: "ViT-B", 1024: "ViT-L", 1280: "ViT-H"}


class CheckpointSam:
    """A SAM checkpoint, such as ``sam_vit_b_01ec64.pth`` or a fine-tuned one.

    The sizes of the network are derived from the weights, so no model type has to be given.

    Parameters
    ----------
    path : Path
        State dictionary; loaded without running any code in it (``weights_only``).
    device : torch.device

    Raises
    ------
    WeightsError
        If the file is damaged or contains something else.
    MissingDependencyError
        If segment-anything cannot be imported.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        package = import_segment_anything()
        state = _read(path)
        sam = build(state, path.name)
        try:
            sam.load_state_dict(state)
        except RuntimeError:
            wanted, found = (
                {k: tuple(v.shape) for k, v in tensors.items()}
                for tensors in (sam.state_dict(), state)
            )
            raise WeightsError(
                f"{path.name} does not fit SAM's architecture ({differences(wanted, found)}); use "
                "a checkpoint of segment-anything (ViT-B, ViT-L or ViT-H)."
            ) from None
        self.predictor = package.SamPredictor(interruptible(sam.eval().to(device)))
        width = state["image_encoder.pos_embed"].shape[-1]
        self.name = f"{path.stem} ({VARIANTS.get(width, 'ViT')})"
        self.sha256 = sha256(path)

    @torch.inference_mode()
    def encode(self, picture: Picture) -> Embedding:
        """Run the image encoder on an image of shape (Y, X, 3)."""
        self.predictor.set_image(picture)
        found = Embedding(
            self.predictor.features, self.predictor.original_size, self.predictor.input_size
        )
        self.predictor.reset_image()  # the caller keeps it, or not
        return found

    @torch.inference_mode()
    def segment(self, image: Embedding, boxes: Boxes) -> Masks:
        """Return one mask per box; see `Segmenter`."""
        predictor = self._on(image)
        scaled = torch.as_tensor(
            predictor.transform.apply_boxes(boxes, image.size),
            dtype=torch.float32,
            device=image.tensor.device,
        )
        masks = [np.zeros((0, *image.size), bool)]
        for part in torch.split(scaled, BATCH) if len(scaled) else ():
            full, _, _ = predictor.predict_torch(None, None, part, multimask_output=False)
            masks.append(full[:, 0].cpu().numpy())
        predictor.reset_image()
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
        predictor = self._on(image)
        masks, overlaps, _ = predictor.predict(
            point_coords=points if len(points) else None,
            point_labels=labels if len(points) else None,
            box=box,
            multimask_output=box is None and len(points) == 1,
        )
        predictor.reset_image()
        best = int(np.argmax(overlaps))
        return np.asarray(masks[best], bool), float(overlaps[best])

    def _on(self, image: Embedding) -> Any:
        """Return the predictor as if it had just seen the image."""
        predictor = self.predictor
        predictor.features, predictor.is_image_set = image.tensor, True
        predictor.original_size, predictor.input_size = image.size, image.input_size
        return predictor


def build(state: Mapping[str, torch.Tensor], name: str) -> torch.nn.Module:
    """Make the network that a state dictionary belongs to, with segment-anything's classes.

    Parameters
    ----------
    state : mapping of str to Tensor
    name : str
        Its name in messages.

    Raises
    ------
    WeightsError
        If the dictionary is not SAM's.
    """
    modeling = import_segment_anything().modeling
    try:
        sizes = _sizes(state)
    except (KeyError, IndexError, ZeroDivisionError):
        raise WeightsError(
            f"{name} contains no weights of SAM with a ViT encoder; use a checkpoint of "
            "segment-anything (ViT-B, ViT-L or ViT-H)."
        ) from None
    grid = (sizes["grid"],) * 2
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            **sizes["encoder"],
            qkv_bias=True,
            use_rel_pos=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=sizes["width"],
            image_embedding_size=grid,
            input_image_size=(sizes["encoder"]["img_size"],) * 2,
            mask_in_chans=sizes["mask_channels"],
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=sizes["masks"] - 1,
            transformer=modeling.TwoWayTransformer(
                depth=sizes["depth"],
                embedding_dim=sizes["width"],
                mlp_dim=sizes["mlp"],
                num_heads=8,  # in all of SAM's variants; not to be seen in the weights
            ),
            transformer_dim=sizes["width"],
            iou_head_depth=sizes["iou_depth"],
            iou_head_hidden_dim=sizes["iou_hidden"],
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


def _sizes(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Derive a network's sizes from the shapes of its weights."""
    encoder, decoder = "image_encoder", "mask_decoder"
    _, grid, _, width = state[f"{encoder}.pos_embed"].shape
    patch = state[f"{encoder}.patch_embed.proj.weight"].shape[-1]
    depth = _count(state, f"{encoder}.blocks.")
    # relative positions reach over the window of a block, or over the whole grid
    spans = [
        (state[f"{encoder}.blocks.{i}.attn.rel_pos_h"].shape[0] + 1) // 2 for i in range(depth)
    ]
    windows = [span for span in spans if span != grid]
    out = state[f"{encoder}.neck.0.weight"].shape[0]
    return {
        "grid": grid,
        "width": out,
        "encoder": {
            "img_size": grid * patch,
            "patch_size": patch,
            "embed_dim": width,
            "depth": depth,
            "num_heads": width // state[f"{encoder}.blocks.0.attn.rel_pos_h"].shape[1],
            "mlp_ratio": state[f"{encoder}.blocks.0.mlp.lin1.weight"].shape[0] / width,
            "out_chans": out,
            "window_size": windows[0] if windows else 0,
            "global_attn_indexes": tuple(i for i, span in enumerate(spans) if span == grid),
        },
        "mask_channels": state["prompt_encoder.mask_downscaling.3.weight"].shape[0],
        "masks": state[f"{decoder}.mask_tokens.weight"].shape[0],
        "depth": _count(state, f"{decoder}.transformer.layers."),
        "mlp": state[f"{decoder}.transformer.layers.0.mlp.lin1.weight"].shape[0],
        "iou_depth": _count(state, f"{decoder}.iou_prediction_head.layers."),
        "iou_hidden": state[f"{decoder}.iou_prediction_head.layers.0.weight"].shape[0],
    }


def _count(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # pickle, zip and torch raise their own errors, with unsuitable advice
        raise WeightsError(
            f"{path.name} cannot be read as a SAM checkpoint; it is damaged, incomplete or "
            "something else, so download it again."
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(
            f"{path.name} contains no plain SAM weights; use the authors' .pth file."
        )
    check_values(Path(path.name), state)
    return state
