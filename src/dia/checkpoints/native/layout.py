"""Converts tensors of native checkpoints to the Hugging Face layout. Independent of files and modeling.

Native weights have the input axes first and split axes; the Hugging Face layout has [out, in] matrices. D and E are
the widths of decoder and encoder, H heads of width d, K key-value heads, I the MLP's inner width, C channels of V ids:

    native                              shape        Hugging Face                              shape
    encoder.embedding                   (256, E)     model.encoder.embedding                   (256, E)
    *.self_attention.q_proj             (D, H, d)    model.*.self_attention.q_proj             (H·d, D)
    *.self_attention.k_proj, v_proj     (D, K, d)    model.*.self_attention.k_proj, v_proj     (K·d, D)
    *.self_attention.o_proj             (H, d, D)    model.*.self_attention.o_proj             (D, H·d)
    *.mlp.wi_fused                      (D, 2, I)    model.*.mlp.gate_up_proj                  (2·I, D)
    *.mlp.wo                            (I, D)       model.*.mlp.down_proj                     (D, I)
    decoder.embeddings.C, one each      (V, D)       model.decoder.embeddings.embed            (C·V, D)
    decoder.logits_dense                (D, C, V)    logits_dense                              (C·V, D)

Cross-attention is like self-attention, but k_proj and v_proj have E inputs. Norms keep their names, with the prefix
`model.`, and shapes.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.runtime.files.tensor_files import first_few

_WRAPPERS = re.compile(r"^(?:_orig_mod\.|module\.|model\.)+")  # left by torch.compile, DataParallel and the HF layout


@dataclass(frozen=True)
class LayoutRow:
    """A parameter of the Hugging Face layout and its native source tensors.

    Attributes:
        target: Hugging Face name.
        sources: native names; several tensors are concatenated along the first axis.
        shape: native shape of each source.
        inputs: number of leading native axes that are inputs; 0 for tensors with the same shape in both layouts.
    """

    target: str
    sources: tuple[str, ...]
    shape: tuple[int, ...]
    inputs: int = 0

    @property
    def result(self) -> tuple[int, ...]:
        """Shape of the parameter in the Hugging Face layout."""
        if self.inputs:
            return math.prod(self.shape[self.inputs :]), math.prod(self.shape[: self.inputs])
        return len(self.sources) * self.shape[0], *self.shape[1:]

    def convert(self, tensors: Sequence[Tensor], dtype: torch.dtype | None = None) -> Tensor:
        """Concatenate and transpose the `sources`, each of `shape`, to a tensor that shares no memory with them."""
        tensor = torch.cat(list(tensors)) if len(tensors) > 1 else tensors[0]
        if self.inputs:
            tensor = tensor.flatten(0, self.inputs - 1).flatten(1).T
        return tensor.to(dtype=dtype or tensor.dtype, copy=True, memory_format=torch.contiguous_format)


def layout_of(names: Iterable[str]) -> Literal["native", "huggingface"] | None:
    """The layout of a checkpoint, detected by its tensor names, or None."""
    known = list(names)
    if any(name.endswith(".mlp.wi_fused.weight") for name in known):
        return "native"
    return "huggingface" if any(name.endswith(".mlp.gate_up_proj.weight") for name in known) else None


def convert_state_dict(
    native: Mapping[str, Tensor],
    config: DiaConfig,
    *,
    dtype: torch.dtype | None = None,
    progress: Callable[[Sequence[LayoutRow]], Iterable[LayoutRow]] = iter,
) -> dict[str, Tensor]:
    """Convert native weights to the Hugging Face layout, tensor by tensor.

    Args:
        native: tensors by native name; the prefixes of wrappers (`_orig_mod.`, `module.`, `model.`) are removed.
        config: determines the expected tensors and shapes.
        dtype: dtype of the result; by default as stored.
        progress: wraps the loop, such as `tqdm`.

    Returns:
        The state dict of `DiaForConditionalGeneration`, which shares no memory with `native`.

    Raises:
        ValueError: tensors are missing, unexpected, or of another shape than in the config; the message names them.
    """
    tensors = {_WRAPPERS.sub("", name): tensor for name, tensor in native.items()}
    rows = layout(config)
    _check(tensors, rows)
    return {row.target: row.convert([tensors[name] for name in row.sources], dtype) for row in progress(rows)}


def layout(config: DiaConfig) -> list[LayoutRow]:
    """Every parameter of a checkpoint with this config."""
    return [*_encoder_rows(config), *_decoder_rows(config)]


def count_parameters(config: DiaConfig) -> int:
    """Number of parameters of a model with this config."""
    return sum(math.prod(row.result) for row in layout(config))


def _encoder_rows(config: DiaConfig) -> Iterator[LayoutRow]:
    encoder = config.encoder_config
    assert isinstance(encoder, DiaEncoderConfig)
    width, heads = encoder.hidden_size, (encoder.num_attention_heads, encoder.num_key_value_heads)
    yield _row("encoder.embedding.weight", (encoder.vocab_size, width))
    for layer in (f"encoder.layers.{index}" for index in range(encoder.num_hidden_layers)):
        yield _row(f"{layer}.pre_sa_norm.weight", (width,))
        yield from _attention_rows(f"{layer}.self_attention", (width, width), heads, encoder.head_dim)
        yield _row(f"{layer}.post_sa_norm.weight", (width,))
        yield from _mlp_rows(f"{layer}.mlp", width, encoder.intermediate_size)
    yield _row("encoder.norm.weight", (width,))


def _decoder_rows(config: DiaConfig) -> Iterator[LayoutRow]:
    decoder = config.decoder_config
    assert isinstance(decoder, DiaDecoderConfig)
    width, vocab, channels = decoder.hidden_size, decoder.vocab_size, decoder.num_channels
    heads = (decoder.num_attention_heads, decoder.num_key_value_heads)
    cross_heads = (decoder.cross_num_attention_heads, decoder.cross_num_key_value_heads)
    tables = tuple(f"decoder.embeddings.{channel}.weight" for channel in range(channels))
    yield LayoutRow("model.decoder.embeddings.embed.weight", tables, (vocab, width))
    for layer in (f"decoder.layers.{index}" for index in range(decoder.num_hidden_layers)):
        for norm in ("pre_sa_norm", "pre_ca_norm", "pre_mlp_norm"):
            yield _row(f"{layer}.{norm}.weight", (width,))
        yield from _attention_rows(f"{layer}.self_attention", (width, width), heads, decoder.head_dim)
        widths = (width, decoder.cross_hidden_size)
        yield from _attention_rows(f"{layer}.cross_attention", widths, cross_heads, decoder.cross_head_dim)
        yield from _mlp_rows(f"{layer}.mlp", width, decoder.intermediate_size)
    yield _row("decoder.norm.weight", (width,))
    yield LayoutRow("logits_dense.weight", ("decoder.logits_dense.weight",), (width, channels, vocab), inputs=1)


def _attention_rows(name: str, widths: tuple[int, int], heads: tuple[int, int], head_dim: int) -> Iterator[LayoutRow]:
    (reads, attends), (queries, keys) = widths, heads
    yield _row(f"{name}.q_proj.weight", (reads, queries, head_dim), inputs=1)
    yield _row(f"{name}.k_proj.weight", (attends, keys, head_dim), inputs=1)
    yield _row(f"{name}.v_proj.weight", (attends, keys, head_dim), inputs=1)
    yield _row(f"{name}.o_proj.weight", (queries, head_dim, reads), inputs=2)


def _mlp_rows(name: str, width: int, inner: int) -> Iterator[LayoutRow]:
    yield LayoutRow(f"model.{name}.gate_up_proj.weight", (f"{name}.wi_fused.weight",), (width, 2, inner), inputs=1)
    yield LayoutRow(f"model.{name}.down_proj.weight", (f"{name}.wo.weight",), (inner, width), inputs=1)


def _row(name: str, shape: tuple[int, ...], inputs: int = 0) -> LayoutRow:
    return LayoutRow(f"model.{name}", (name,), shape, inputs)


def _check(tensors: Mapping[str, Tensor], rows: Sequence[LayoutRow]) -> None:
    """Compare names and shapes before anything is converted."""
    expected = {name: row.shape for row in rows for name in row.sources}
    missing = [f"{name} {shape}" for name, shape in expected.items() if name not in tensors]
    if missing:
        raise ValueError(
            f"the checkpoint lacks {first_few(missing)}; check that it is complete and that config.json belongs to it."
        )
    if unexpected := [f"{name} {tuple(tensors[name].shape)}" for name in tensors if name not in expected]:
        raise ValueError(f"the checkpoint has {first_few(unexpected)}, unexpected for its config.json.")
    wrong = [
        f"{name} has shape {tuple(tensors[name].shape)}, expected {shape}"
        for name, shape in expected.items()
        if tuple(tensors[name].shape) != shape
    ]
    wrong += [f"{name} is {one.dtype}, not floats" for name, one in tensors.items() if not one.is_floating_point()]
    if wrong:
        raise ValueError(f"the checkpoint does not match its config.json: {first_few(wrong)}.")
