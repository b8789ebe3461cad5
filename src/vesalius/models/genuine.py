"""Dimensions of the published checkpoints, so that they can be analysed before they are fetched.

Only what decides parameters and arithmetic, under the names that the configurations of these
architectures use. A configuration on disk always goes before this table.
"""

from collections.abc import Mapping

from vesalius.records import Json

_VIT_B32 = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 32,
    "image_size": 224,
}
_CLIP_TEXT = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
}
_CLIP = {"vision_config": _VIT_B32, "text_config": _CLIP_TEXT, "projection_dim": 512}

_BERT_BASE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
}

GENUINE: Mapping[str, Mapping[str, Json]] = {
    "clip": _CLIP,
    "pubmedclip": _CLIP,
    "clipmd": _CLIP,
    "biomedclip": {
        "model_cfg": {
            "embed_dim": 512,
            "vision_cfg": {
                "image_size": 224,
                "patch_size": 16,
                "width": 768,
                "layers": 12,
                "head_width": 64,
            },
            "text_cfg": {
                "context_length": 256,
                "vocab_size": 30522,
                "width": 768,
                "layers": 12,
                "heads": 12,
            },
        }
    },
    "biovil-t": {
        **_BERT_BASE,
        "model_type": "bert",
        "projection_size": 128,
        "image_model": {
            "width": 64,
            "stages": (3, 4, 6, 3),
            "n_classes": 1000,
            "pooler_width": 256,
            "n_blocks": 3,
            "projection": 128,
        },
        "framing": {"resize": 512, "crop": 448},
    },
    "git": {
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "patch_size": 14,
            "image_size": 224,
        },
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "vocab_size": 30522,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": False,
    },
    "smolvlm": {
        "vision_config": {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "patch_size": 16,
            "image_size": 512,
        },
        "text_config": {
            "model_type": "llama",
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "vocab_size": 49280,
            "max_position_embeddings": 8192,
            "pad_token_id": 2,
        },
        "scale_factor": 4,
        "image_token_id": 49190,
        "pad_token_id": 2,
        "tie_word_embeddings": False,
    },
    "blip2": {
        "vision_config": {
            "hidden_size": 1408,
            "intermediate_size": 6144,
            "num_hidden_layers": 39,
            "num_attention_heads": 16,
            "patch_size": 14,
            "image_size": 224,
        },
        "qformer_config": {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "cross_attention_frequency": 2,
            "encoder_hidden_size": 1408,
        },
        "text_config": {
            "model_type": "t5",
            "d_model": 2048,
            "d_ff": 5120,
            "d_kv": 64,
            "num_heads": 32,
            "num_layers": 24,
            "num_decoder_layers": 24,
            "feed_forward_proj": "gated-gelu",
            "vocab_size": 32128,
            "decoder_start_token_id": 0,
        },
        "num_query_tokens": 32,
        "image_token_index": 32100,
    },
}
