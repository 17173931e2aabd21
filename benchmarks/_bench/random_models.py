"""Detectors and SAM of the published sizes with random weights: as slow as the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Name -> class prefix in transformers and what its configuration changes.
DETECTORS: dict[str, tuple[str, dict[str, Any]]] = {
    "owlvit-base-patch32": ("OwlViT", {}),
    "owlv2-base-patch16-ensemble": ("Owlv2", {"vision_config": {"image_size": 960}}),
}
SEGMENTERS: dict[str, dict[str, Any]] = {
    "sam-vit-base": {},
    "sam-vit-large": {
        "vision_config": {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "global_attn_indexes": [5, 11, 17, 23],
        }
    },
}


#: Today's detectors and segmenters: classes of the model and its configuration, at their defaults.
TODAY = {
    "grounding-dino-tiny": ("GroundingDinoForObjectDetection", "GroundingDinoConfig"),
    "mm-grounding-dino-tiny": ("MMGroundingDinoForObjectDetection", "MMGroundingDinoConfig"),
    "grounding-dino-base": ("GroundingDinoForObjectDetection", "GroundingDinoConfig"),
    "sam3": ("Sam3Model", "Sam3Config"),
}
#: The larger image encoder of Grounding DINO base: Swin-B (Liu et al. 2021, arXiv:2103.14030).
SWIN_B = {
    "image_size": 384,
    "window_size": 12,
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "out_indices": [2, 3, 4],
}
SAM2 = {"sam2.1-hiera-tiny": ("Sam2Model", "Sam2Config")}


def _save_today(name: str, parent: Path) -> Path:
    import transformers as hf

    folder = parent / name
    model, config = (getattr(hf, n) for n in (TODAY | SAM2)[name])
    changes = {"backbone_config": hf.SwinConfig(**SWIN_B)} if name.endswith("base") else {}
    model(config(**changes)).save_pretrained(folder)
    if "dino" in name:
        letters = "abcdefghijklmnopqrstuvwxyz"
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters]
        tokens += [f"##{letter}" for letter in letters]
        hf.BertTokenizer(vocab={t: n for n, t in enumerate(tokens)}).save_pretrained(folder)
        hf.GroundingDinoImageProcessorPil().save_pretrained(folder)
    elif name == "sam3":
        _save_clip_tokenizer(folder)
    return folder


def save_detector(name: str, parent: Path) -> Path:
    """Write a detector in transformers' format; its vocabulary knows letters only."""
    import transformers as hf

    if name in TODAY:
        return _save_today(name, parent)
    prefix, changes = DETECTORS[name]
    folder = parent / name
    config = getattr(hf, f"{prefix}Config")(**changes)
    getattr(hf, f"{prefix}ForObjectDetection")(config).save_pretrained(folder)
    side = config.vision_config.image_size
    processor = getattr(hf, f"{prefix}ImageProcessorPil")
    processor(size={"height": side, "width": side}).save_pretrained(folder)
    _save_clip_tokenizer(folder)
    return folder


def _save_clip_tokenizer(folder: Path) -> None:
    import transformers as hf

    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: n for n, token in enumerate(tokens)} | {"an</w>": len(tokens)}
    hf.CLIPTokenizer(vocab=vocab, merges=[("a", "n</w>")]).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\na n</w>\n", encoding="utf-8")


def save_segmenter(name: str, parent: Path) -> Path:
    """Write a SAM in transformers' format."""
    import transformers as hf

    if name in SAM2:
        return _save_today(name, parent)
    folder = parent / name
    hf.SamModel(hf.SamConfig(**SEGMENTERS[name])).save_pretrained(folder)
    hf.SamImageProcessorPil().save_pretrained(folder)
    return folder
