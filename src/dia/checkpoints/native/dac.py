"""Reads Descript's native codec checkpoints (.pth) and converts them to transformers' `DacModel` layout.

Renames tensors and folds weight normalization. Independent of descript-audio-codec.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DacConfig, DacModel

from dia.checkpoints.native.pickles import check_tensors, load_pickle
from dia.codec.checkpoint import check_sizes
from dia.runtime.files.reading import REMEDY, errors_name
from dia.runtime.files.tensor_files import first_few, not_finite
from dia.runtime.limits import RATIOS

# Defaults of the native class.
_DEFAULTS: dict[str, Any] = {
    "encoder_dim": 64,
    "encoder_rates": [2, 4, 8, 8],
    "latent_dim": None,
    "decoder_dim": 1536,
    "decoder_rates": [8, 8, 4, 2],
    "n_codebooks": 9,
    "codebook_size": 1024,
    "codebook_dim": 8,
    "quantizer_dropout": 0.0,
    "sample_rate": 44100,
}
# Names of magnitude and direction of a normalized weight in torch's old and new implementation.
_NORMALIZED = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
# Metadata can contain numpy numbers. Both of their pickled names are harmless.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_SCALARS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.int64)),
    type(np.dtype(np.float64)),
]


def read(path: str | Path) -> tuple[DacConfig, dict[str, Tensor]]:
    """Read a native .pth.

    Returns:
        The config, and the state dict of `DacModel(config)`.

    Raises:
        OSError: the file does not exist.
        ValueError: the file is truncated, is not a codec checkpoint, has NaN or infinite weights, or describes a codec
            that `DacModel` does not support; the message says which.
    """
    weights, kwargs = read_native(path)
    with errors_name(path):
        config = read_config(kwargs)
        converted = convert_state_dict(weights, config)
        if names := not_finite(converted.items()):
            raise ValueError(f"it contains NaN or infinite weights in {first_few(names)}")
    return config, converted


def read_native(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the constructor arguments of a native .pth without conversion.

    Raises:
        OSError: the file does not exist.
        ValueError: the file is truncated or is not a codec checkpoint.
    """
    loaded = load_pickle(path, _SCALARS, mapped=False)
    try:
        weights, kwargs = loaded["state_dict"], dict(loaded["metadata"]["kwargs"])
    except (KeyError, TypeError, IndexError, ValueError, AttributeError):
        weights = kwargs = None
    if not isinstance(weights, Mapping) or kwargs is None:
        raise ValueError(
            f"{path} is not a codec checkpoint: it must contain `state_dict` and `metadata` with the constructor's "
            f"`kwargs`; {REMEDY}."
        )
    return check_tensors(path, weights), kwargs


def read_config(kwargs: Mapping[str, Any]) -> DacConfig:
    """Convert the native constructor arguments to a config.

    Raises:
        ValueError: `DacModel` does not support an argument; the message names it.
    """
    given = {name: kwargs.get(name, default) for name, default in _DEFAULTS.items()}
    RATIOS.check("the number of encoder_rates", len(given["encoder_rates"]), ValueError)
    rates, width = [int(rate) for rate in given["encoder_rates"]], int(given["encoder_dim"])
    latent = width * 2 ** len(rates)
    if list(given["decoder_rates"]) != rates[::-1]:
        raise ValueError(
            f"decoder_rates is {given['decoder_rates']}; DacModel supports only {rates[::-1]}, encoder_rates reversed."
        )
    if given["latent_dim"] not in (None, latent):
        raise ValueError(
            f"latent_dim is {given['latent_dim']}; DacModel supports only {latent}, encoder_dim doubled per rate."
        )
    config = DacConfig(
        encoder_hidden_size=width,
        downsampling_ratios=rates,
        decoder_hidden_size=int(given["decoder_dim"]),
        n_codebooks=int(given["n_codebooks"]),
        codebook_size=int(given["codebook_size"]),
        codebook_dim=_one_width(given["codebook_dim"]),
        quantizer_dropout=float(given["quantizer_dropout"]),
        sampling_rate=int(given["sample_rate"]),
    )
    check_sizes(config)
    return config


def convert_state_dict(native: Mapping[str, Tensor], config: DacConfig) -> dict[str, Tensor]:
    """Rename the native tensors and fold weight normalization into plain weights.

    Returns:
        The state dict of `DacModel(config)`.

    Raises:
        ValueError: a tensor is missing, unexpected or of the wrong shape; the message names it.
    """
    with torch.device("meta"):
        expected = {name: tuple(weight.shape) for name, weight in DacModel(config).state_dict().items()}
    modules, remaining, converted = dict(_modules(config)), dict(native), {}
    for target, shape in expected.items():
        module, parameter = target.rsplit(".", 1)
        converted[target] = _take(remaining, f"{modules[module]}.{parameter}", shape)
    if remaining:
        raise ValueError(f"DacModel does not have {len(remaining)} of the tensors; the first is {min(remaining)}.")
    return converted


def _take(remaining: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    """Remove a parameter from the remaining tensors and fold its normalization."""
    if name in remaining:
        return _checked(name, remaining.pop(name), shape)
    module = name.rsplit(".", 1)[0]
    for magnitude, direction in _NORMALIZED:
        names = f"{module}.{magnitude}", f"{module}.{direction}"
        if all(one in remaining for one in names) and name.endswith(".weight"):
            lengths = (shape[0], *(1 for _ in shape[1:]))
            return _fold(
                _checked(names[0], remaining.pop(names[0]), lengths),
                _checked(names[1], remaining.pop(names[1]), shape),
            )
    raise ValueError(f"{name} {shape} is missing, also as weight_g and weight_v.")


def _checked(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}.")
    if not tensor.is_floating_point():
        raise ValueError(f"{name} has dtype {tensor.dtype}, expected a floating-point dtype.")
    return tensor


def _fold(magnitude: Tensor, direction: Tensor) -> Tensor:
    """weight = magnitude · direction / |direction|, one norm per first index (Salimans and Kingma, 2016)."""
    norm: Tensor = torch.linalg.vector_norm(direction, dim=tuple(range(1, direction.ndim)), keepdim=True)
    return direction * (magnitude / norm)


def _modules(config: DacConfig) -> Iterator[tuple[str, str]]:
    """Pairs of transformers' and the native module name. The native code numbers its modules."""
    last = len(config.downsampling_ratios) + 1
    for native, part in (("encoder.block", "encoder"), ("decoder.model", "decoder")):
        yield from ((f"{part}.conv1", f"{native}.0"), (f"{part}.snake1", f"{native}.{last}"))
        yield f"{part}.conv2", f"{native}.{last + 1}"
    for index in range(last - 1):
        encoder, decoder = f"encoder.block.{index}", f"decoder.block.{index}"
        native_encoder, native_decoder = f"encoder.block.{index + 1}.block", f"decoder.model.{index + 1}.block"
        yield from ((f"{encoder}.snake1", f"{native_encoder}.3"), (f"{encoder}.conv1", f"{native_encoder}.4"))
        yield from ((f"{decoder}.snake1", f"{native_decoder}.0"), (f"{decoder}.conv_t1", f"{native_decoder}.1"))
        for unit in range(3):
            yield from _residual_unit(f"{encoder}.res_unit{unit + 1}", f"{native_encoder}.{unit}.block")
            yield from _residual_unit(f"{decoder}.res_unit{unit + 1}", f"{native_decoder}.{unit + 2}.block")
    for index in range(config.n_codebooks):
        for part in ("in_proj", "out_proj", "codebook"):
            yield f"quantizer.quantizers.{index}.{part}", f"quantizer.quantizers.{index}.{part}"


def _residual_unit(target: str, native: str) -> Iterator[tuple[str, str]]:
    return (
        (f"{target}.{part}", f"{native}.{index}") for index, part in enumerate(("snake1", "conv1", "snake2", "conv2"))
    )


def _one_width(widths: int | Sequence[int]) -> int:
    distinct = {int(width) for width in widths} if isinstance(widths, Sequence) else {int(widths)}
    if len(distinct) != 1:
        raise ValueError(f"codebook_dim is {widths}; DacModel needs the same width for all codebooks.")
    return distinct.pop()
