"""A model that is served elsewhere, by the OpenAI form of chat completions.

For vLLM, SGLang, llama.cpp, Ollama and others: ``endpoint:MODEL@http://127.0.0.1:8000/v1``.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import PIL.Image

from vesalius.errors import InputError, ModelError
from vesalius.imaging import display_pixels
from vesalius.models.endpoint_server import Server, card_of_server, open_server, split_address
from vesalius.records import Image, Json, ModelCard

CAPTION = "Describe this image."


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """Capabilities: Generator.

    **The pixels leave the process**: every image is sent to the server as a PNG of what is shown
    on a screen, 8 bit per channel, in its original size. The answer is asked for at temperature 0
    with a fixed seed; whether it is then the same at every call is up to the server.

    Not an `AnswerScorer`: chat completions have no standard way to get the log-likelihood of an
    answer that the server did not choose itself (``logprobs`` are those of its own tokens;
    ``prompt_logprobs`` is one server's extension), and a number from ten likeliest tokens would
    be undefined for most candidates.
    """

    card: ModelCard
    server: Server
    model: str
    max_new_tokens: int

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """Answer each prompt for its image; an empty prompt asks for a caption.

        Raises:
            InputError: if there are not as many prompts as images.
            ModelError: if the server gives no answer.
        """
        if isinstance(prompts, str) or len(images) != len(prompts):
            raise InputError(f"expected a prompt for each of {len(images)} images, got {prompts!r}")
        return [self._answer(image, text) for image, text in zip(images, prompts, strict=True)]

    def _answer(self, image: Image, prompt: str) -> str:
        content: list[Json] = [
            {"type": "image_url", "image_url": {"url": data_url(image)}},
            {"type": "text", "text": prompt.strip() or CAPTION},
        ]
        answer = self.server.ask(
            "/chat/completions",
            {
                "model": self.model,
                "messages": [{"role": "user", "content": content}],
                "temperature": 0,
                "seed": 0,
                "max_tokens": self.max_new_tokens,
                "stream": False,
            },
        )
        return _content(answer)


def data_url(image: Image, /) -> str:
    """The image as shown on a screen, as a ``data:`` URL of a lossless PNG.

    Raises:
        InputError: for a volume or an empty image.
    """
    pixels = display_pixels(image)
    if pixels.size == 0:
        raise InputError(f"{image.source or 'image'}: expected pixels, got shape {pixels.shape}")
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).convert("RGB").save(stream, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _content(answer: Mapping[str, Json]) -> str:
    """The text of the first choice."""
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str):
        raise ModelError(f"endpoint: expected choices[0].message.content, got {str(answer)[:300]}")
    return text.strip()


def load(address: str, *, name: str, options: Mapping[str, Json]) -> Endpoint:
    """Connect to a served model; the server must be running.

    Args:
        address: ``MODEL@http://host:port/v1``.
        name: display name, for the card.
        options: ``max_new_tokens``.

    Raises:
        InputError: if the address is malformed or another machine without consent.
        ModelError: if the server does not answer or does not serve this model.
    """
    model, url = split_address(address)
    return Endpoint(
        card=card_of_server(address, name=name, options=options),
        server=open_server(url),
        model=model,
        max_new_tokens=int(options["max_new_tokens"]),
    )
