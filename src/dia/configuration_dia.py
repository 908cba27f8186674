"""Configuration classes of Dia checkpoints. Independent of weights, text and audio."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dia.runtime import limits
from dia.runtime.ranges import Range, shown

# Defaults from the codec of Dia-1.6B. Other checkpoints store their own values.
PUBLISHED_SAMPLING_RATE = 44_100
PUBLISHED_HOP_LENGTH = 512
PUBLISHED_DELAY_PATTERN = (0, 8, 9, 10, 11, 12, 13, 14, 15)
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
QUANT_METHOD = "dia"  # in `quantization_config` of a config.json
# Without this package, transformers would read the integer codes of quantized weights as weights. It refuses a weight
# file that is not a safetensors file and ends its error with the file name, so config.json gives this as the name.
NEEDS_DIA = "8- or 4-bit weights of dia-tts, to be loaded after `import dia`"
_SIZES: Mapping[str, Range] = {
    "max_position_embeddings": limits.ROWS,
    "num_hidden_layers": limits.LAYERS,
    "hidden_size": limits.WIDTH,
    "intermediate_size": limits.WIDTH,
    "num_attention_heads": limits.HEADS,
    "num_key_value_heads": limits.HEADS,
    "head_dim": limits.WIDTH,
    "vocab_size": limits.VOCABULARY,
    "norm_eps": limits.EPSILON,
    "initializer_range": limits.DEVIATION,
}
_DECODER_SIZES: Mapping[str, Range] = {
    **_SIZES,
    "num_channels": limits.CHANNELS,
    "cross_hidden_size": limits.WIDTH,
    "cross_num_attention_heads": limits.HEADS,
    "cross_num_key_value_heads": limits.HEADS,
    "cross_head_dim": limits.WIDTH,
}


@strict
class DiaEncoderConfig(PreTrainedConfig):
    """Configuration of the text encoder. The defaults match Dia-1.6B.

    Attributes:
        max_position_embeddings: maximum text length in bytes.
        num_hidden_layers: transformer layers.
        hidden_size: width of the residual stream.
        num_attention_heads: query heads.
        num_key_value_heads: key and value heads; must divide `num_attention_heads`.
        head_dim: width of one head; must be even, because rotary embeddings rotate pairs.
        intermediate_size: inner width of the gated MLP.
        norm_eps: epsilon of the RMS norms.
        vocab_size: number of text ids, one per byte value.
        hidden_act: activation of the MLP.
        rope_parameters: transformers' RoPE settings; `{"rope_type": "default", "rope_theta": 10000.0}` by default.
        initializer_range: standard deviation of newly initialized weights.

    Raises:
        StrictDataclassError: (from huggingface_hub) a value is invalid; the message names the field.
    """

    model_type = "dia_encoder"

    max_position_embeddings: int = 1024
    num_hidden_layers: int = 12
    hidden_size: int = 1024
    num_attention_heads: int = 16
    num_key_value_heads: int = 16
    head_dim: int = 128
    intermediate_size: int = 4096
    norm_eps: float = 1e-5
    vocab_size: int = 256
    hidden_act: str = "silu"
    rope_parameters: dict[str, Any] | None = None
    initializer_range: float = 0.02

    def validate_architecture(self) -> None:
        """Raise an error if the sizes are invalid."""
        _check_sizes(self, _SIZES)
        _check_heads(self, "num_attention_heads", "num_key_value_heads", "head_dim", rotary=True)


@strict
class DiaDecoderConfig(PreTrainedConfig):
    """Configuration of the audio decoder. The defaults match Dia-1.6B.

    Attributes:
        max_position_embeddings: maximum grid length in rows.
        num_hidden_layers: transformer layers.
        hidden_size: width of the residual stream.
        intermediate_size: inner width of the gated MLP.
        num_attention_heads: query heads of self-attention.
        num_key_value_heads: key and value heads of self-attention; must divide `num_attention_heads`.
        head_dim: width of one self-attention head; must be even, because rotary embeddings rotate pairs.
        cross_num_attention_heads: query heads of cross-attention.
        cross_head_dim: width of one cross-attention head.
        cross_num_key_value_heads: key and value heads of cross-attention.
        cross_hidden_size: width of the encoder's output.
        norm_eps: epsilon of the RMS norms.
        vocab_size: ids of one channel: the codebook, then EOS, PAD and BOS, then any reserved ids.
        hidden_act: activation of the MLP.
        num_channels: number of channels, one per codebook of the codec.
        rope_parameters: transformers' RoPE settings; `{"rope_type": "default", "rope_theta": 10000.0}` by default.
        initializer_range: standard deviation of newly initialized weights.
        use_cache: cache keys and values between steps.
        is_encoder_decoder: always True; transformers' caches read it.
        pad_token_id: fills the grid after a channel has ended, and marks the cells to predict.
        eos_token_id: ends a channel; ids below it are codec codes.
        bos_token_id: fills the grid before a channel starts.

    Raises:
        StrictDataclassError: (from huggingface_hub) a value is invalid; the message names the field.
    """

    model_type = "dia_decoder"

    max_position_embeddings: int = 3072
    num_hidden_layers: int = 18
    hidden_size: int = 2048
    intermediate_size: int = 8192
    num_attention_heads: int = 16
    num_key_value_heads: int = 4
    head_dim: int = 128
    cross_num_attention_heads: int = 16
    cross_head_dim: int = 128
    cross_num_key_value_heads: int = 16
    cross_hidden_size: int = 1024
    norm_eps: float = 1e-5
    vocab_size: int = 1028
    hidden_act: str = "silu"
    num_channels: int = 9
    rope_parameters: dict[str, Any] | None = None
    initializer_range: float = 0.02
    use_cache: bool = True
    is_encoder_decoder: bool = True
    pad_token_id: int = 1025
    eos_token_id: int = 1024
    bos_token_id: int = 1026

    def validate_architecture(self) -> None:
        """Raise an error if the sizes are invalid."""
        _check_sizes(self, _DECODER_SIZES)
        _check_heads(self, "num_attention_heads", "num_key_value_heads", "head_dim", rotary=True)
        _check_heads(self, "cross_num_attention_heads", "cross_num_key_value_heads", "cross_head_dim", rotary=False)

    def validate_token_ids(self) -> None:
        """Raise an error if token ids collide or are outside the vocabulary.

        Raises:
            ValueError: the message names the field.
        """
        ids = [_check_token_id(self, name) for name in _TOKEN_IDS]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{', '.join(_TOKEN_IDS)} are {ids}; they must be distinct.")
        if self.eos_token_id != min(ids):
            raise ValueError(
                f"eos_token_id={self.eos_token_id} must be the lowest of the special ids {ids}, because all ids below "
                "it are codes."
            )


@strict
class DiaConfig(PreTrainedConfig):
    """Configuration of a complete Dia model: encoder, decoder and delay pattern.

    Attributes:
        encoder_config: a `DiaEncoderConfig` or its fields as a dict.
        decoder_config: a `DiaDecoderConfig` or its fields as a dict.
        norm_eps: epsilon of the RMS norms, for files that store it at the top level.
        is_encoder_decoder: always True.
        pad_token_id: moved to `decoder_config`; old files store the token ids at the top level.
        eos_token_id: as `pad_token_id`.
        bos_token_id: as `pad_token_id`.
        delay_pattern: delay of each channel in rows; `[0, 8, 9, 10, 11, 12, 13, 14, 15]` by default.
        initializer_range: standard deviation of newly initialized weights.
        use_cache: cache keys and values between steps.

    Raises:
        StrictDataclassError: (from huggingface_hub) a value is invalid; the message names the field.

    Example:

    ```python
    >>> from dia import DiaConfig

    >>> DiaConfig().decoder_config.num_channels
    9

    ```
    """

    model_type = "dia"
    keys_to_ignore_at_inference = ["past_key_values", "cache"]  # noqa: RUF012 - the base class declares it so
    # Both names of one attribute: transformers renamed it within the supported versions.
    sub_configs = {"encoder_config": DiaEncoderConfig, "decoder_config": DiaDecoderConfig}  # noqa: RUF012 - as above
    sub_configs_defaults = sub_configs

    encoder_config: DiaEncoderConfig | dict[str, Any] | None = None
    decoder_config: DiaDecoderConfig | dict[str, Any] | None = None
    norm_eps: float = 1e-5
    is_encoder_decoder: bool = True
    pad_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    bos_token_id: int | None = None
    delay_pattern: list[int] | None = None
    initializer_range: float = 0.02
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        if _is_dia_quantization(kwargs.get("quantization_config")):
            kwargs.pop("transformers_weights", None)
        moved = {name: value for name in _TOKEN_IDS if (value := getattr(self, name)) is not None}
        if isinstance(self.decoder_config, DiaDecoderConfig):
            self.decoder_config.update(moved)
            self.decoder_config.validate_token_ids()
        else:
            self.decoder_config = DiaDecoderConfig(**{**(self.decoder_config or {}), **moved})
        if not isinstance(self.encoder_config, DiaEncoderConfig):
            self.encoder_config = DiaEncoderConfig(**(self.encoder_config or {}))
        for name in moved:
            setattr(self, name, None)
        if self.delay_pattern is None:
            self.delay_pattern = list(PUBLISHED_DELAY_PATTERN)
        super().__post_init__(**kwargs)

    def validate_architecture(self) -> None:
        """Raise an error if encoder, decoder and delay pattern do not match."""
        encoder, decoder, pattern = self.encoder_config, self.decoder_config, self.delay_pattern
        assert isinstance(encoder, DiaEncoderConfig)
        assert isinstance(decoder, DiaDecoderConfig)
        assert pattern is not None
        _check_model_type(self)
        if len(pattern) != decoder.num_channels:
            raise ValueError(
                f"delay_pattern has {len(pattern)} entries and decoder_config.num_channels is "
                f"{decoder.num_channels}; pass one delay per channel."
            )
        for delay in pattern:
            limits.DELAY.check("delay_pattern", delay, ValueError)
        if pattern[0] != 0:
            raise ValueError(f"delay_pattern={pattern} must start with 0, the delay of channel 0.")
        if decoder.cross_hidden_size != encoder.hidden_size:
            raise ValueError(
                f"decoder_config.cross_hidden_size={decoder.cross_hidden_size} must equal "
                f"encoder_config.hidden_size={encoder.hidden_size}."
            )

    def validate_token_ids(self) -> None:
        """Check nothing: the ids are stored in `decoder_config`, which validates them."""

    def to_diff_dict(self) -> dict[str, Any]:
        """The content of config.json. For quantized weights it includes that loading them needs this package."""
        fields: dict[str, Any] = super().to_diff_dict()
        return (
            fields | {"transformers_weights": NEEDS_DIA}
            if _is_dia_quantization(fields.get("quantization_config"))
            else fields
        )

    def get_text_config(self, *args: Any, **kwargs: Any) -> DiaDecoderConfig:
        """The decoder's config, which is the part that generates."""
        assert isinstance(self.decoder_config, DiaDecoderConfig)
        return self.decoder_config


def _is_dia_quantization(quantization: Any) -> bool:
    return isinstance(quantization, dict) and quantization.get("quant_method") == QUANT_METHOD


def _check_model_type(config: PreTrainedConfig) -> None:
    if config.model_type != type(config).model_type:
        raise ValueError(f"model_type is {shown(config.model_type)}; it must be {type(config).model_type!r}.")


def _check_sizes(config: PreTrainedConfig, ranges: Mapping[str, Range]) -> None:
    _check_model_type(config)
    for name, allowed in ranges.items():
        allowed.check(name, getattr(config, name), ValueError)
    _check_activation(config.hidden_act)
    rope = config.rope_parameters or {}
    check_rope_type(rope)
    if "rope_theta" in rope:
        limits.ROTARY_BASE.check("rope_theta", rope["rope_theta"], ValueError)


def check_rope_type(rope: Mapping[str, Any]) -> None:
    """Raise an error if the RoPE type is unknown to transformers."""
    known = ["default", *ROPE_INIT_FUNCTIONS]
    if (kind := rope.get("rope_type", "default")) not in known:
        raise ValueError(f"rope_parameters: rope_type={shown(kind)} is unknown; choose one of {', '.join(known)}.")


def _check_activation(name: str) -> None:
    if name not in ACT2FN:
        raise ValueError(f"hidden_act={shown(name)} is unknown; Dia uses 'silu'.")


def _check_heads(config: PreTrainedConfig, heads: str, groups: str, width: str, rotary: bool) -> None:
    if getattr(config, heads) % getattr(config, groups):
        raise ValueError(f"{groups}={getattr(config, groups)} must divide {heads}={getattr(config, heads)}.")
    if rotary and getattr(config, width) % 2:
        raise ValueError(f"{width}={getattr(config, width)} must be even, because rotary embeddings rotate pairs.")


def _check_token_id(config: DiaDecoderConfig, name: str) -> int:
    value = getattr(config, name)
    if not isinstance(value, int) or not 0 <= value < config.vocab_size:
        raise ValueError(f"{name}={value} must be an id below vocab_size={config.vocab_size}.")
    return value


__all__ = ["DiaConfig", "DiaDecoderConfig", "DiaEncoderConfig"]
