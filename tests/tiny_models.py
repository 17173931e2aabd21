"""OWL-ViT, OWLv2 and SAM small enough for tests, in the formats that the real ones come in."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch

#: Side of the tiny detectors' input, and of their grid of patches.
OWL_SIDE, OWL_GRID = 48, 3
#: Side of the tiny SAM's input.
SAM_SIDE = 128


def save_tokenizer(folder: Path) -> None:
    """A byte-level vocabulary without merges: every letter is a token."""
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz0123456789-'"
    tokens = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocab = {token: n for n, token in enumerate(tokens)}
    # merges.txt is a file of the real thing, so there must be one
    merges = [("a", "n</w>"), ("o", "f</w>")]
    vocab |= {"an</w>": len(vocab), "of</w>": len(vocab) + 1}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\na n</w>\no f</w>\n")
    (folder / "tokenizer.json").unlink(missing_ok=True)


def save_owl(folder: Path, kind: str = "owlvit") -> Path:
    import transformers as hf

    name = {"owlvit": "OwlViT", "owlv2": "Owlv2"}[kind]
    config = getattr(hf, f"{name}Config")(
        text_config={
            "vocab_size": 128,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 16,
            "bos_token_id": 76,
            "eos_token_id": 77,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": OWL_SIDE,
            "patch_size": OWL_SIDE // OWL_GRID,
        },
        projection_dim=32,
    )
    torch.manual_seed(0)
    model = getattr(hf, f"{name}ForObjectDetection")(config).eval()
    model.save_pretrained(folder)
    side = {"height": OWL_SIDE, "width": OWL_SIDE}
    getattr(hf, f"{name}ImageProcessorPil")(size=side).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_transformers_sam(folder: Path) -> Path:
    from transformers import SamConfig, SamImageProcessorPil, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SAM_SIDE,
            "patch_size": 16,
            "window_size": 4,
            "global_attn_indexes": [1],
            "mlp_dim": 32,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": SAM_SIDE,
            "patch_size": 16,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_depth": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    torch.manual_seed(0)
    SamModel(config).eval().save_pretrained(folder)
    SamImageProcessorPil(
        size={"longest_edge": SAM_SIDE}, pad_size={"height": SAM_SIDE, "width": SAM_SIDE}
    ).save_pretrained(folder)
    return folder


def save_checkpoint(path: Path) -> Path:
    """Write a SAM in segment-anything's format, as a plain state dictionary."""
    from napari_textdifuse.locate.torchvision_standin import import_segment_anything

    parts = import_segment_anything().modeling
    torch.manual_seed(0)
    sam = parts.Sam(
        image_encoder=parts.ImageEncoderViT(
            img_size=SAM_SIDE,
            patch_size=16,
            embed_dim=24,
            depth=3,
            num_heads=3,
            out_chans=32,
            qkv_bias=True,
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1, 2),
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        ),
        prompt_encoder=parts.PromptEncoder(
            embed_dim=32,
            image_embedding_size=(SAM_SIDE // 16,) * 2,
            input_image_size=(SAM_SIDE,) * 2,
            mask_in_chans=8,
        ),
        mask_decoder=parts.MaskDecoder(
            transformer_dim=32,
            transformer=parts.TwoWayTransformer(2, 32, 8, 48),
            iou_head_depth=3,
            iou_head_hidden_dim=24,
        ),
    )
    torch.save(sam.state_dict(), path)
    return path


def save_grounding_dino(folder: Path, kind: str = "grounding-dino") -> Path:
    """Write Grounding DINO or MM-Grounding-DINO, with a vocabulary of letters."""
    import transformers as hf

    name = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}[kind]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-'"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?"]
    tokens += [*letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    hf.BertTokenizer(vocab={t: n for n, t in enumerate(tokens)}).save_pretrained(folder)
    config = getattr(hf, f"{name}Config")(
        backbone_config=hf.SwinConfig(
            embed_dim=16,
            depths=[1, 1, 1],
            num_heads=[1, 2, 2],
            window_size=4,
            image_size=64,
            out_features=["stage2", "stage3"],
        ),
        text_config=hf.BertConfig(
            vocab_size=1100,  # its delimiters have fixed numbers, up to 1029
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=12,
        num_feature_levels=3,
        encoder_n_points=2,
        decoder_n_points=2,
        max_text_len=32,
        disable_custom_kernels=True,
    )
    torch.manual_seed(0)
    getattr(hf, f"{name}ForObjectDetection")(config).eval().save_pretrained(folder)
    hf.GroundingDinoImageProcessorPil(
        size={"shortest_edge": 64, "longest_edge": 96}
    ).save_pretrained(folder)
    return folder


def _sam2_parts() -> dict[str, dict]:
    return {
        "vision_config": {
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "num_attention_heads": 1,
                "image_size": [SAM_SIDE, SAM_SIDE],
                "blocks_per_stage": [1, 1, 1, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [4, 4, 4, 4],
                "global_attention_blocks": [],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 32,
        },
        "prompt_encoder_config": {
            "hidden_size": 32,
            "image_size": SAM_SIDE,
            "mask_input_channels": 4,
        },
        "mask_decoder_config": {
            "hidden_size": 32,
            "mlp_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    }


def save_sam2(folder: Path) -> Path:
    import transformers as hf

    torch.manual_seed(0)
    hf.Sam2Model(hf.Sam2Config(**_sam2_parts())).eval().save_pretrained(folder)
    return folder


def save_sam3(folder: Path, published: bool = False) -> Path:
    """Write SAM 3; `published` puts it into the model for videos, as Meta's files do."""
    import transformers as hf

    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    config = hf.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 32,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 112,
                "pretrain_image_size": 112,
                "window_size": 4,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            "vocab_size": 128,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 16,
            "projection_dim": 32,
            "bos_token_id": 76,
            "eos_token_id": 77,
            "pad_token_id": 77,
        },
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 10},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    torch.manual_seed(0)
    model = hf.Sam3Model(config).eval()
    model.save_pretrained(folder)
    save_tokenizer(folder)
    if published:
        from safetensors.torch import load_file, save_file

        path = folder / "model.safetensors"
        weights = {f"detector_model.{k}": v for k, v in load_file(path).items()}
        weights["tracker_model.no_memory_embedding"] = torch.zeros(1)
        save_file(weights, path, metadata={"format": "pt"})
        inner = json.loads((folder / "config.json").read_text())
        outer = {"model_type": "sam3_video", "detector_config": inner}
        (folder / "config.json").write_text(json.dumps(outer))
    return folder
