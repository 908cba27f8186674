"""Every number that describes a Dia checkpoint. Knows nothing of weights, text or audio."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dia.runtime import limits
from dia.runtime.ranges import Range, shown

# Of the codec that Dia-1.6B was trained with; every other codec brings its own.
PUBLISHED_SAMPLING_RATE = 44_100
PUBLISHED_HOP_LENGTH = 512
PUBLISHED_DELAY_PATTERN = (0, 8, 9, 10, 11, 12, 13, 14, 15)
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
QUANT_METHOD = "dia"  # in `quantization_config` of a config.json
# transformers alone would take the codes of quantised weights for weights. It refuses to load a file that is no
# safetensors file, and its error ends in the file's name: so this is what config.json says their file is called.
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
    """The text encoder. The defaults are those of Dia-1.6B.

    Attributes:
        max_position_embeddings: the longest text in bytes.
        num_hidden_layers: transformer layers.
        hidden_size: width of the residual stream.
        num_attention_heads: query heads.
        num_key_value_heads: key and value heads; they divide the query heads.
        head_dim: width of one head, even because rotary embeddings turn pairs.
        intermediate_size: width inside the gated MLP.
        norm_eps: epsilon of the RMS norms.
        vocab_size: text ids, one per byte value.
        hidden_act: the MLP's activation.
        rope_parameters: transformers' rotary settings, `{"rope_type": "default", "rope_theta": 10000.0}` by default.
        initializer_range: standard deviation of fresh weights.

    Raises:
        StrictDataclassError: (of huggingface_hub) a value that no model can have; the message names the field.
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
        """Refuse sizes that no encoder can have."""
        _check_sizes(self, _SIZES)
        _check_heads(self, "num_attention_heads", "num_key_value_heads", "head_dim", rotary=True)


@strict
class DiaDecoderConfig(PreTrainedConfig):
    """The audio decoder. The defaults are those of Dia-1.6B.

    Attributes:
        max_position_embeddings: the longest grid in rows.
        num_hidden_layers: transformer layers.
        hidden_size: width of the residual stream.
        intermediate_size: width inside the gated MLP.
        num_attention_heads: query heads of self-attention.
        num_key_value_heads: key and value heads of self-attention; they divide the query heads.
        head_dim: width of one self-attention head, even because rotary embeddings turn pairs.
        cross_num_attention_heads: query heads of cross-attention.
        cross_head_dim: width of one cross-attention head.
        cross_num_key_value_heads: key and value heads of cross-attention.
        cross_hidden_size: width of the encoder's output.
        norm_eps: epsilon of the RMS norms.
        vocab_size: ids of one channel: the codebook, then EOS, PAD and BOS, and what the checkpoint reserves.
        hidden_act: the MLP's activation.
        num_channels: codebooks of the codec, one channel each.
        rope_parameters: transformers' rotary settings, `{"rope_type": "default", "rope_theta": 10000.0}` by default.
        initializer_range: standard deviation of fresh weights.
        use_cache: keep keys and values between steps.
        is_encoder_decoder: always true; transformers' caches read it.
        pad_token_id: fills the grid where a channel has ended, and marks rows free to be predicted.
        eos_token_id: ends a channel; ids below it are codec codes.
        bos_token_id: fills the grid before a channel begins.

    Raises:
        StrictDataclassError: (of huggingface_hub) a value that no model can have; the message names the field.
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
        """Refuse sizes that no decoder can have."""
        _check_sizes(self, _DECODER_SIZES)
        _check_heads(self, "num_attention_heads", "num_key_value_heads", "head_dim", rotary=True)
        _check_heads(self, "cross_num_attention_heads", "cross_num_key_value_heads", "cross_head_dim", rotary=False)

    def validate_token_ids(self) -> None:
        """Refuse token ids that collide or lie outside the vocabulary.

        Raises:
            ValueError: the message names the field.
        """
        ids = [_check_token_id(self, name) for name in _TOKEN_IDS]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{', '.join(_TOKEN_IDS)} are {ids}; each needs an id of its own.")
        if self.eos_token_id != min(ids):
            raise ValueError(
                f"eos_token_id={self.eos_token_id} lies above another special id of {ids}; "
                "codes end where EOS begins, so EOS is the lowest of the three."
            )


@strict
class DiaConfig(PreTrainedConfig):
    """A whole Dia: encoder, decoder and the delay pattern between its channels.

    Attributes:
        encoder_config: a `DiaEncoderConfig` or its fields as a dict.
        decoder_config: a `DiaDecoderConfig` or its fields as a dict.
        norm_eps: epsilon of the RMS norms, kept for files that carry it here.
        is_encoder_decoder: always true.
        pad_token_id: read from old files, whose token ids stood here, and moved to `decoder_config`.
        eos_token_id: likewise.
        bos_token_id: likewise.
        delay_pattern: delay in rows of each channel; `[0, 8, 9, 10, 11, 12, 13, 14, 15]` by default.
        initializer_range: standard deviation of fresh weights.
        use_cache: keep keys and values between steps.

    Raises:
        StrictDataclassError: (of huggingface_hub) a value that no model can have; the message names the field.

    Example:

    ```python
    >>> from dia import DiaConfig

    >>> DiaConfig().decoder_config.num_channels
    9

    ```
    """

    model_type = "dia"
    keys_to_ignore_at_inference = ["past_key_values", "cache"]  # noqa: RUF012 - the base class declares it so
    # transformers renamed it within the versions that we support.
    sub_configs = {"encoder_config": DiaEncoderConfig, "decoder_config": DiaDecoderConfig}  # noqa: RUF012 - likewise
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
        if _is_ours(kwargs.get("quantization_config")):
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
        """Refuse parts that do not fit each other."""
        encoder, decoder, pattern = self.encoder_config, self.decoder_config, self.delay_pattern
        assert isinstance(encoder, DiaEncoderConfig)
        assert isinstance(decoder, DiaDecoderConfig)
        assert pattern is not None
        _check_kind(self)
        if len(pattern) != decoder.num_channels:
            raise ValueError(
                f"delay_pattern has {len(pattern)} entries and decoder_config.num_channels is "
                f"{decoder.num_channels}; give one delay per channel."
            )
        for delay in pattern:
            limits.DELAY.check("delay_pattern", delay, ValueError)
        if pattern[0] != 0:
            raise ValueError(f"delay_pattern={pattern}: channel 0 leads with delay 0.")
        if decoder.cross_hidden_size != encoder.hidden_size:
            raise ValueError(
                f"decoder_config.cross_hidden_size={decoder.cross_hidden_size} must equal "
                f"encoder_config.hidden_size={encoder.hidden_size}."
            )

    def validate_token_ids(self) -> None:
        """Nothing to check here: the ids live on `decoder_config`, which checks its own."""

    def to_diff_dict(self) -> dict[str, Any]:
        """What config.json says; with quantised weights also that nothing but this package can load them."""
        fields: dict[str, Any] = super().to_diff_dict()
        return fields | {"transformers_weights": NEEDS_DIA} if _is_ours(fields.get("quantization_config")) else fields

    def get_text_config(self, *args: Any, **kwargs: Any) -> DiaDecoderConfig:
        """The config of the part that generates: the decoder's."""
        assert isinstance(self.decoder_config, DiaDecoderConfig)
        return self.decoder_config


def _is_ours(quantization: Any) -> bool:
    return isinstance(quantization, dict) and quantization.get("quant_method") == QUANT_METHOD


def _check_kind(config: PreTrainedConfig) -> None:
    if config.model_type != type(config).model_type:
        raise ValueError(f"model_type is {shown(config.model_type)}; it must be {type(config).model_type!r}.")


def _check_sizes(config: PreTrainedConfig, ranges: Mapping[str, Range]) -> None:
    _check_kind(config)
    for name, allowed in ranges.items():
        allowed.check(name, getattr(config, name), ValueError)
    _check_activation(config.hidden_act)
    rope = config.rope_parameters or {}
    check_rope_type(rope)
    if "rope_theta" in rope:
        limits.ROTARY_BASE.check("rope_theta", rope["rope_theta"], ValueError)


def check_rope_type(rope: Mapping[str, Any]) -> None:
    """Refuse rotary settings of a type that transformers does not know."""
    known = ["default", *ROPE_INIT_FUNCTIONS]
    if (kind := rope.get("rope_type", "default")) not in known:
        raise ValueError(f"rope_parameters: rope_type={shown(kind)} is not known; choose one of {', '.join(known)}.")


def _check_activation(name: str) -> None:
    if name not in ACT2FN:
        raise ValueError(f"hidden_act={shown(name)} is not known; Dia's is 'silu'.")


def _check_heads(config: PreTrainedConfig, heads: str, groups: str, width: str, rotary: bool) -> None:
    if getattr(config, heads) % getattr(config, groups):
        raise ValueError(f"{groups}={getattr(config, groups)} must divide {heads}={getattr(config, heads)}.")
    if rotary and getattr(config, width) % 2:
        raise ValueError(f"{width}={getattr(config, width)} must be even: rotary embeddings turn pairs.")


def _check_token_id(config: DiaDecoderConfig, name: str) -> int:
    value = getattr(config, name)
    if not isinstance(value, int) or not 0 <= value < config.vocab_size:
        raise ValueError(f"{name}={value} must be an id below vocab_size={config.vocab_size}.")
    return value


__all__ = ["DiaConfig", "DiaDecoderConfig", "DiaEncoderConfig"]
