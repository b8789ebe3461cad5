"""The eight published checkpoints: where they are, what identifies them, what they may do."""

from vesalius.models import options
from vesalius.models.request import GENERATIVE, MAPPED_DUAL, Expected, ModelEntry

# The pin was read in public records of other people's downloads, not at the repository itself.
_UNVERIFIED = "pin taken from public records; unverified until the first `vesalius fetch`"

PUBLISHED = (
    ModelEntry(
        name="clip",
        adapter="clip",
        loader="vesalius.models.clip:load",
        repo="openai/clip-vit-base-patch32",
        revision="3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
        pickles=frozenset({"a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f"}),
        license="MIT",
        options=options.CLIP,
        size_mb=605.2,
        expected=Expected(parameters=151_277_313, logit_scale=100.0),
        training_data="400 million image–text pairs from the web (WIT)",
    ),
    ModelEntry(
        name="pubmedclip",
        adapter="clip",
        loader="vesalius.models.clip:load",
        repo="flaviagiammarino/pubmed-clip-vit-base-patch32",
        revision="26c0c67f6da303ad2a38909130bd35744ea93517",
        pickles=frozenset({"4daa7650d2b47e55c37b5ca7dcabe826fd82407c26028a574bcc422f35a94aa4"}),
        license="MIT",
        options=options.CLIP,
        size_mb=605.2,
        expected=Expected(parameters=151_277_313),
        training_data="CLIP, then ROCO (radiology figures of PubMed articles)",
    ),
    ModelEntry(
        name="clipmd",
        adapter="clipmd",
        loader="vesalius.models.clipmd:load",
        repo="Idan0405/ClipMD",
        revision_note="no public record of commit or weight hash found; pin both when fetched",
        license="Hebrew University of Jerusalem Software Research License",
        research_only=True,
        options=options.CLIPMD,
        size_mb=605.2,
        expected=Expected(parameters=151_277_313),
        training_data="CLIP, then ROCO (radiology figures of PubMed articles)",
    ),
    ModelEntry(
        name="blip2",
        adapter="blip2",
        loader="vesalius.models.blip2:load",
        repo="Salesforce/blip2-flan-t5-xl",
        revision="0eb0d3b46c14c1f8c7680bca2693baafdb90bb28",
        revision_note=_UNVERIFIED,
        license="MIT",
        options=options.BLIP2,
        capabilities=GENERATIVE,
        patterns=("*.json", "*.safetensors", "spiece.model"),
        size_mb=15770.0,
        expected=Expected(parameters=3_942_446_592),
        training_data="129 million image–text pairs from the web; language model FLAN-T5-XL",
    ),
    ModelEntry(
        name="biomedclip",
        adapter="biomedclip",
        loader="vesalius.models.biomedclip:load",
        repo="microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        revision="9f341de24bfb00180f1b847274256e9b65a3a32e",
        revision_note=_UNVERIFIED,
        pickles=frozenset({"52cc993c5c5ff962bd0c60931874bc001e7e9b41666a385530f4a036294576be"}),
        license="MIT",
        options=options.BIOMEDCLIP,
        capabilities=MAPPED_DUAL,
        patterns=(
            "open_clip_*.json",
            "open_clip_*.safetensors",
            "open_clip_*.bin",
            "tokenizer*.json",
            "special_tokens_map.json",
            "vocab.txt",
        ),
        size_mb=783.7,
        expected=Expected(parameters=195_902_721, logit_scale=85.23),
        training_data="PMC-15M (figures and captions of PubMed Central articles)",
    ),
    ModelEntry(
        name="git",
        adapter="git",
        loader="vesalius.models.git:load",
        repo="microsoft/git-large",
        revision_note="no public record of commit or weight hash found; pin both when fetched",
        license="MIT",
        options=options.GIT,
        capabilities=GENERATIVE,
        size_mb=1577.0,
        expected=Expected(parameters=394_196_026),
        training_data="20 million image–text pairs from the web",
    ),
    ModelEntry(
        name="smolvlm",
        adapter="smolvlm",
        loader="vesalius.models.smolvlm:load",
        repo="HuggingFaceTB/SmolVLM-256M-Instruct",
        revision="7e3e67edbbed1bf9888184d9df282b700a323964",
        revision_note=_UNVERIFIED,
        license="Apache-2.0",
        options=options.SMOLVLM,
        capabilities=GENERATIVE,
        patterns=("*.json", "*.safetensors", "merges.txt"),
        size_mb=513.0,
        expected=Expected(
            parameters=256_484_928,
            safetensors={
                "model.safetensors": (
                    "74dea5904032e5ae99a2e0eef5179e6ac0f1dedc3ab0c7c2a5d4d387c843203e"
                )
            },
        ),
        training_data="The Cauldron and Docmatix (documents, charts, photographs)",
    ),
    ModelEntry(
        name="biovil-t",
        adapter="biovil-t",
        loader="vesalius.models.biovilt:load",
        repo="microsoft/BiomedVLP-BioViL-T",
        revision="692f09e9be1bfe5fdd5f3efdd0e1eca7d2c10b23",
        revision_note=_UNVERIFIED,
        pickles=frozenset({"b2399d73dc2a68b9f3a1950e864ae0ecd24093fb07aa459d7e65807ebdc0fb77"}),
        license="MIT (research use only by its model card)",
        options=options.BIOVILT,
        capabilities=(*MAPPED_DUAL, "encode_with_prior"),
        patterns=(
            "*.json",
            "vocab.txt",
            "model.safetensors",
            "pytorch_model.bin",
            "biovil_t_*.pt",
            "biovil_t_*.safetensors",
        ),
        size_mb=550.7,
        expected=Expected(
            parameters=136_356_776,
            safetensors={
                "model.safetensors": (
                    "70bed344872e0a4f4dca2352564c44f44cb7a9cfcac3d878be2dd08a5fff9aba"
                )
            },
        ),
        training_data="MIMIC-CXR v2 (chest radiographs, priors and reports)",
    ),
)
