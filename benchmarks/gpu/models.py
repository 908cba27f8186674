"""Models with random weights, texts and a results file, for the parts of `benchmarks/gpu.sh`."""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from dia import DiaConfig, DiaForConditionalGeneration
from dia.decoding.sampling import PUBLISHED_SAMPLING, published_generation_config
from dia.decoding.step import runner

WORDS = (
    "open",
    "weights",
    "model",
    "turns",
    "every",
    "dialogue",
    "script",
    "into",
    "speech",
    "with",
    "control",
    "and",
)


def tiny_config() -> DiaConfig:
    """A small shape whose heads fit the kernels of a GPU; its grid has 9 channels, and a delay of 15 rows."""
    encoder = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 128}
    decoder = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 64, "cross_hidden_size": 32}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    cross = {"cross_num_attention_heads": 2, "cross_num_key_value_heads": 2, "cross_head_dim": 16}
    rows = {"max_position_embeddings": 160, "vocab_size": 132, "eos_token_id": 128, "pad_token_id": 129}
    own = {**decoder, **heads, **cross, **rows, "bos_token_id": 130, "num_attention_heads": 4}
    return DiaConfig(encoder_config={**encoder, **heads}, decoder_config=own)


def config_for(tiny: bool) -> DiaConfig:
    """The shape of Dia-1.6B, or a small one."""
    return tiny_config() if tiny else DiaConfig()


@torch.no_grad()
def random_model(config: DiaConfig, device: str, dtype: torch.dtype) -> Any:
    """Our model with seeded weights. EOS is never the best, so all clips reach their length limit."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = DiaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    noise = torch.Generator(device).manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            weight.fill_(1.0)
        else:  # attention has scale 1, so queries must be small
            weight.normal_(0.0, 0.002 if "q_proj" in name else 0.02, generator=noise)
    model.logits_dense.weight[config.get_text_config().eos_token_id] = 0.0
    model.generation_config = published_generation_config(config)
    return model.eval()


@torch.no_grad()
def stock_like(model: Any) -> Any:
    """The Dia inside transformers with the weights of ours."""
    from transformers.models.dia import configuration_dia, modeling_dia

    config = configuration_dia.DiaConfig(**model.config.to_dict())
    default = torch.get_default_dtype()
    torch.set_default_dtype(model.dtype)
    try:
        with torch.device(model.device):
            stock = modeling_dia.DiaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    stock.load_state_dict(model.state_dict())
    return stock.eval()


def text(number: int, size: int = 100) -> str:
    """A text of about `size` bytes, another one for every number."""
    words = [WORDS[(number + 7 * index * (number % 5 + 1)) % len(WORDS)] for index in range(size // 6 + 1)]
    return f"[S1] {' '.join(words)}"[:size]


def inputs_for(model: Any, numbers: Sequence[int], size: int = 100) -> dict[str, Tensor]:
    """Texts and empty prompts, on the device of a model."""
    from dia import DiaTokenizer

    found = DiaTokenizer()([text(number, size) for number in numbers], return_tensors="pt", padding=True)
    decoder = model.config.decoder_config
    bos = torch.full((len(numbers), 1, decoder.num_channels), decoder.bos_token_id)
    inputs = {name: found[name] for name in ("input_ids", "attention_mask")}
    inputs |= {"decoder_input_ids": bos, "decoder_attention_mask": torch.ones_like(bos[..., 0])}
    return {name: tensor.to(model.device) for name, tensor in inputs.items()}


def sampling() -> dict[str, Any]:
    """The published settings, without their length."""
    return {name: value for name, value in PUBLISHED_SAMPLING.items() if name != "max_length"}


def synchronize(device: str) -> None:
    """Wait until a GPU is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def forget_steps(model: Any) -> None:
    """Free the kept steps of a model, so that peak memory is that of one step."""
    runner._runners.pop(model, None)
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def first_difference(one: Tensor, other: Tensor) -> int | None:
    """The first row in which grids [R, C] differ; None if one is the beginning of the other."""
    rows = min(len(one), len(other))
    differs = (one[:rows] != other[:rows]).any(1).nonzero()
    return int(differs[0]) if len(differs) else None


def machine(device: str) -> dict[str, Any]:
    """What the figures belong to."""
    cuda = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or "CPU",
        "memory_gb": round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1) if cuda else None,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


class Results:
    """The results of a part. Each entry is written at once, so that a part that is ended keeps them."""

    def __init__(self, file: Path, device: str) -> None:
        self.file = file
        self.content: dict[str, Any] = {"machine": machine(device), "entries": [], "errors": []}

    def add(self, **entry: Any) -> None:
        """Add an entry, and print it."""
        self.content["entries"].append(entry)
        print(entry, flush=True)
        self._write()

    def attempt(self, name: str, work: Callable[[], None]) -> None:
        """Do one piece of work. Its error is noted, and the others go on."""
        try:
            work()
        except Exception as error:
            import traceback

            traceback.print_exc()
            self.content["errors"].append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            self._write()

    def _write(self) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.content), encoding="utf-8")
        os.replace(part, self.file)


def part_options(arguments: Sequence[str] | None, description: str) -> argparse.Namespace:
    """The command line of a part: `--json FILE`, and `--tiny` for a small model on the CPU."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, required=True, help="file for the results")
    parser.add_argument("--folder", type=Path, help="for larger files, such as a trace")
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU")
    options = parser.parse_args(arguments)
    options.device = "cpu" if options.tiny else "cuda"
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device; --tiny tries the script on a CPU.")
    if options.device == "cuda":  # exact float32, as the comparisons mean it
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return options
