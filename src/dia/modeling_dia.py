"""The network: text encoder, audio decoder, logits and training loss. Independent of sampling, text and waveforms.

Shapes: B batch, S text length, R grid rows, C channels, V ids of one channel, H heads, D head width, E model width.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from dia.attention_dia import eager_attention, unmask_empty_rows
from dia.checkpoints import model_files
from dia.checkpoints.native import checkpoint as native
from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.decoding.cache import cache_in, one_cache
from dia.decoding.sampling import published_generation_config
from dia.generation_dia import DiaGenerationMixin
from dia.quantization import config as quantization
from dia.quantization.linear import QuantizedLinear
from dia.rope_dia import DiaRotaryEmbedding, rotate
from dia.runtime.files.repository import Repository
from dia.runtime.log import get_logger

logger = get_logger(__name__)

# The usual factor 1/sqrt(D) is part of the trained query weights.
_ATTENTION_SCALE = 1.0


class DiaRMSNorm(nn.Module):
    """Root-mean-square norm (arXiv:1910.07467), computed in float32 for weights of any dtype."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, hidden_states: Tensor) -> Tensor:
        wide = hidden_states.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(hidden_states.dtype)


class DiaMLP(nn.Module):
    """Gated MLP, down(up · silu(gate)). Gate and up projections are fused in one matrix, gate first."""

    def __init__(self, config: DiaEncoderConfig | DiaDecoderConfig) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.activation: Callable[[Tensor], Tensor] = ACT2FN[config.hidden_act]

    def forward(self, hidden_states: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(hidden_states).chunk(2, dim=-1)
        return self.down_proj(up * self.activation(gate))


class _Attention(nn.Module):
    """Projections shared by self- and cross-attention. Attribute names are the ones transformers' kernels expect."""

    def __init__(
        self,
        config: DiaEncoderConfig | DiaDecoderConfig,
        layer_idx: int,
        heads: int,
        groups: int,
        head_dim: int,
        key_width: int,
        causal: bool,
    ) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = head_dim
        self.num_key_value_groups = heads // groups
        self.is_causal = causal
        self.scaling = _ATTENTION_SCALE
        self.q_proj = nn.Linear(config.hidden_size, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(key_width, groups * head_dim, bias=False)
        self.v_proj = nn.Linear(key_width, groups * head_dim, bias=False)
        self.o_proj = nn.Linear(heads * head_dim, config.hidden_size, bias=False)

    def _heads(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # [B, H, R, D]

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        output, weights = attention(self, query, key, value, attention_mask, scaling=self.scaling, **kwargs)
        return self.o_proj(output.flatten(2)), weights


class DiaSelfAttention(_Attention):
    """Self-attention with rotary position embeddings."""

    def __init__(self, config: DiaEncoderConfig | DiaDecoderConfig, layer_idx: int, causal: bool) -> None:
        heads, groups = config.num_attention_heads, config.num_key_value_heads
        super().__init__(config, layer_idx, heads, groups, config.head_dim, config.hidden_size, causal)

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Any = None,
        cache: Cache | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        query = rotate(self._heads(self.q_proj(hidden_states)), position_embeddings)
        key = rotate(self._heads(self.k_proj(hidden_states)), position_embeddings)
        value = self._heads(self.v_proj(hidden_states))
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        return self._attend(query, key, value, attention_mask, **kwargs)


class DiaCrossAttention(_Attention):
    """Cross-attention from audio to text, without position embeddings. Its keys are computed once per call."""

    def __init__(self, config: DiaDecoderConfig, layer_idx: int) -> None:
        heads, groups = config.cross_num_attention_heads, config.cross_num_key_value_heads
        super().__init__(config, layer_idx, heads, groups, config.cross_head_dim, config.cross_hidden_size, False)

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Any = None,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        query = self._heads(self.q_proj(hidden_states))
        key, value = self.text_states(encoder_hidden_states, cache)
        return self._attend(query, key, value, attention_mask, **kwargs)

    def text_states(self, encoder_hidden_states: Tensor, cache: EncoderDecoderCache | None) -> tuple[Tensor, Tensor]:
        """Keys and values of the text, [B, G, S, D] each: those in `cache`, to which they are added the first time."""
        if cache is not None and cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        key = self._heads(self.k_proj(encoder_hidden_states))
        value = self._heads(self.v_proj(encoder_hidden_states))
        if cache is not None:
            key, value = cache.cross_attention_cache.update(key, value, self.layer_idx)
            cache.is_updated[self.layer_idx] = True
        return key, value


class DiaEncoderLayer(GradientCheckpointingLayer):
    """Pre-norm layer: self-attention and MLP."""

    def __init__(self, config: DiaEncoderConfig, layer_idx: int) -> None:
        super().__init__()
        self.pre_sa_norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.self_attention = DiaSelfAttention(config, layer_idx, causal=False)
        self.post_sa_norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = DiaMLP(config)

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        normed = self.pre_sa_norm(hidden_states)
        hidden_states = hidden_states + self.self_attention(normed, position_embeddings, attention_mask, **kwargs)[0]
        return hidden_states + self.mlp(self.post_sa_norm(hidden_states))


class DiaDecoderLayer(GradientCheckpointingLayer):
    """Pre-norm layer: causal self-attention, cross-attention to the text, and MLP."""

    def __init__(self, config: DiaDecoderConfig, layer_idx: int) -> None:
        super().__init__()
        self.pre_sa_norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.self_attention = DiaSelfAttention(config, layer_idx, causal=True)
        self.pre_ca_norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.cross_attention = DiaCrossAttention(config, layer_idx)
        self.pre_mlp_norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = DiaMLP(config)

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Any,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Any = None,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> Tensor:
        self_cache = None if cache is None else cache.self_attention_cache
        normed = self.pre_sa_norm(hidden_states)
        output = self.self_attention(normed, position_embeddings, attention_mask, self_cache, **kwargs)[0]
        hidden_states = hidden_states + output
        normed = self.pre_ca_norm(hidden_states)
        output = self.cross_attention(normed, encoder_hidden_states, encoder_attention_mask, cache, **kwargs)[0]
        hidden_states = hidden_states + output
        return hidden_states + self.mlp(self.pre_mlp_norm(hidden_states))


class DiaMultiChannelEmbedding(nn.Module):
    """One embedding table for all channels, [C · V, E]. A row's embedding is the sum over its channels."""

    def __init__(self, config: DiaDecoderConfig) -> None:
        super().__init__()
        self.vocab_size = config.vocab_size
        self.embed = nn.Embedding(config.vocab_size * config.num_channels, config.hidden_size)

    def forward(self, codes: Tensor) -> Tensor:
        offsets = torch.arange(codes.shape[-1], device=codes.device) * self.vocab_size
        return self.embed(codes + offsets).sum(dim=2)  # [B, R, C, E] → [B, R, E]


class DiaPreTrainedModel(PreTrainedModel):
    """Settings and loading shared by all Dia models."""

    config_class = DiaConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _can_compile_fullgraph = True
    _no_split_modules = ["DiaEncoderLayer", "DiaDecoderLayer"]  # noqa: RUF012 - the base class declares it so
    # peft reads this name; the property of transformers would warn.
    is_gradient_checkpointing = property(lambda me: any(vars(m).get("gradient_checkpointing") for m in me.modules()))

    def get_memory_footprint(self, return_buffers: bool = True) -> int:
        """Bytes of parameters, buffers and packed quantized weights."""
        packed = sum(module.packed_bytes for module in self.modules() if isinstance(module, QuantizedLinear))
        return int(super().get_memory_footprint(return_buffers)) + packed

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint in the Hugging Face layout or in Nari Labs' native layout, which is converted in memory.

        Takes the arguments of transformers' `from_pretrained`. Missing weights are an error, unless
        `ignore_mismatched_sizes=True` allows randomly initialized ones.

        Raises:
            ValueError: a file is damaged or does not match the others; the message names it.
            OSError: the checkpoint does not exist, or one of its files is missing.
        """
        quantization.register()
        name = pretrained_model_name_or_path
        if name is None or kwargs.get("gguf_file") is not None:
            return super().from_pretrained(name, *args, **kwargs)
        checkpoint = native.to_convert(name, kwargs)
        if checkpoint is None:
            return cls._from_checked(name, *args, **kwargs)
        wanted = kwargs.get("dtype", kwargs.pop("torch_dtype", None))
        config = checkpoint.config()
        weights = checkpoint.state_dict(wanted if isinstance(wanted, torch.dtype) else None)
        kwargs["dtype"] = wanted or next(iter(weights.values())).dtype
        loaded = super().from_pretrained(None, *args, **{**kwargs, "config": config, "state_dict": weights})
        model = loaded[0] if isinstance(loaded, tuple) else loaded  # with output_loading_info=True
        model.name_or_path = Repository.of(name, kwargs).location
        model.generation_config = published_generation_config(config)
        return loaded

    @classmethod
    def _from_checked(cls, name: Any, *args: Any, output_loading_info: bool = False, **kwargs: Any) -> Any:
        fresh = bool(kwargs.get("ignore_mismatched_sizes"))
        if issubclass(cls, DiaForConditionalGeneration) and not fresh:
            model_files.check_options(name, kwargs)
        model, info = super().from_pretrained(name, *args, output_loading_info=True, **kwargs)
        model.name_or_path = Repository.of(name, kwargs).location
        model_files.check_loaded(model.name_or_path, model, () if fresh else info["missing_keys"])
        return (model, info) if output_loading_info else model

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, DiaRotaryEmbedding):
            init.copy_(module.inv_freq, module.frequencies()[0])


class DiaEncoder(DiaPreTrainedModel):
    """Text ids [B, S] → text states [B, S, E]."""

    config_class = DiaEncoderConfig
    _input_embed_layer = "embedding"
    _can_record_outputs = {"hidden_states": DiaEncoderLayer, "attentions": DiaSelfAttention}  # noqa: RUF012

    def __init__(self, config: DiaEncoderConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DiaEncoderLayer(config, index) for index in range(config.num_hidden_layers))
        self.norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.rotary_emb = DiaRotaryEmbedding(config)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> BaseModelOutput:
        """Encode text. `attention_mask` [B, S] is 0 for padding on the right."""
        _refuse(kwargs)
        hidden_states = self.embedding(input_ids)
        mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
        )
        mask = unmask_empty_rows(mask)
        position_ids = torch.arange(input_ids.shape[1], device=hidden_states.device)[None]
        position_embeddings = self.rotary_emb(hidden_states, position_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states, position_embeddings, mask, **kwargs)
        return BaseModelOutput(last_hidden_state=self.norm(hidden_states))


class DiaDecoder(DiaPreTrainedModel):
    """Grid rows [B, R, C] and text states [B, S, E] → audio states [B, R, E]."""

    config_class = DiaDecoderConfig
    _input_embed_layer = "embeddings"
    _can_record_outputs = {  # noqa: RUF012 - the base class declares it so
        "hidden_states": DiaDecoderLayer,
        "attentions": DiaSelfAttention,
        "cross_attentions": DiaCrossAttention,
    }

    def __init__(self, config: DiaDecoderConfig) -> None:
        super().__init__(config)
        self.embeddings = DiaMultiChannelEmbedding(config)
        self.layers = nn.ModuleList(DiaDecoderLayer(config, index) for index in range(config.num_hidden_layers))
        self.norm = DiaRMSNorm(config.hidden_size, config.norm_eps)
        self.rotary_emb = DiaRotaryEmbedding(config)
        self.post_init()

    @property
    def recomputes(self) -> bool:
        """Whether layers run twice (gradient checkpointing). A cache would then store every row twice."""
        return self.training and any(layer.gradient_checkpointing for layer in self.layers)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Not supported: the codec fixes the number of codes.

        Raises:
            ValueError: always.
        """
        raise ValueError("the decoder's embeddings cannot be resized, because the codec fixes the number of codes.")

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """Decode rows. `attention_mask` [B, cached rows + R] is 0 for padding on the left."""
        _refuse(kwargs)
        cache = None if self.recomputes else one_cache(cache, past_key_values)
        hidden_states = self.embeddings(input_ids)
        if position_ids is None:
            cached = 0 if cache is None else cache.get_seq_length()
            position_ids = torch.arange(input_ids.shape[1], device=hidden_states.device)[None] + cached
        # Checking whether a mask can be skipped synchronizes the device; that pays off for many rows only.
        many = hidden_states.shape[1] > 1
        skip = many or attention_mask is None
        # Pass the cache by position: its name differs between the oldest and the newest transformers.
        mask = create_causal_mask(self.config, hidden_states, attention_mask, cache, allow_is_causal_skip=skip)
        text_mask = create_bidirectional_mask(
            config=self.config,
            inputs_embeds=hidden_states,
            attention_mask=encoder_attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            allow_is_bidirectional_skip=many or encoder_attention_mask is None,
        )
        masks = unmask_empty_rows(mask), unmask_empty_rows(text_mask)
        position_embeddings = self.rotary_emb(hidden_states, position_ids)
        for layer in self.layers:
            hidden_states = layer(
                hidden_states, position_embeddings, masks[0], encoder_hidden_states, masks[1], cache=cache, **kwargs
            )
        return BaseModelOutputWithPastAndCrossAttentions(self.norm(hidden_states), cache)


class DiaModel(DiaPreTrainedModel):
    """Encoder and decoder, without the language modeling head."""

    def __init__(self, config: DiaConfig) -> None:
        super().__init__(config)
        assert isinstance(config.encoder_config, DiaEncoderConfig)
        assert isinstance(config.decoder_config, DiaDecoderConfig)
        self.encoder = DiaEncoder(config.encoder_config)
        self.decoder = DiaDecoder(config.decoder_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The text embeddings. The decoder holds the code embeddings."""
        return self.encoder.embedding

    def set_input_embeddings(self, value: Any) -> None:
        """Replace the text embeddings."""
        self.encoder.embedding = value

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Resize the text embeddings, as in transformers. The code embeddings do not change."""
        return self.encoder.resize_token_embeddings(*args, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_position_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        use_cache: bool | None = None,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> Seq2SeqModelOutput:
        """Encode the text and decode the grid.

        Args:
            input_ids: text ids, [B, S]. Required unless `encoder_outputs` is given.
            attention_mask: [B, S], 0 for padding.
            decoder_input_ids: the delayed grid, [B, R, C], or flattened, [B · C, R]; one row of BOS by default.
            decoder_position_ids: [B or 1, R]; by default the positions after the cached rows.
            decoder_attention_mask: [B, cached rows + R], 0 for padding.
            encoder_outputs: encoder output of an earlier call.
            past_key_values: keys and values of earlier rows; extended in place.
            use_cache: create a cache if none is given.
            cache: the name of `past_key_values` since transformers 5.24.

        Returns:
            Hidden states of the last layer, [B, R, E], and the cache.

        Raises:
            ValueError: neither `input_ids` nor `encoder_outputs` is given, two caches are given, or embeddings are
                given instead of ids.
        """
        _refuse(kwargs)
        if encoder_outputs is None and input_ids is None:
            raise ValueError("neither `input_ids` nor `encoder_outputs` is given; pass one of them.")
        encoded: Any = encoder_outputs
        if encoded is None:
            encoded = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        elif not isinstance(encoded, BaseModelOutput):
            encoded = BaseModelOutput(*encoded)
        decoder_outputs = self.decoder(
            input_ids=self._grid(decoder_input_ids, encoded.last_hidden_state.shape[0]),
            position_ids=decoder_position_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoded.last_hidden_state,
            encoder_attention_mask=attention_mask,
            cache=self._cache(one_cache(cache, past_key_values), use_cache),
            use_cache=use_cache,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            decoder_outputs.last_hidden_state,
            cache_in(decoder_outputs),
            decoder_hidden_states=decoder_outputs.hidden_states,
            decoder_attentions=decoder_outputs.attentions,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoded.last_hidden_state,
            encoder_hidden_states=encoded.hidden_states,
            encoder_attentions=encoded.attentions,
        )

    def _grid(self, rows: Tensor | None, batch: int) -> Tensor:
        decoder = self.config.decoder_config
        if rows is None:
            shape = (batch, 1, decoder.num_channels)
            return torch.full(shape, decoder.bos_token_id, dtype=torch.long, device=self.device)
        if rows.ndim == 2 and rows.shape[0] == batch * decoder.num_channels:
            return rows.unflatten(0, (batch, -1)).transpose(1, 2)
        if rows.ndim != 3 or rows.shape[0] != batch or rows.shape[2] != decoder.num_channels:
            raise ValueError(
                f"decoder_input_ids has shape {tuple(rows.shape)}; expected [{batch}, rows, {decoder.num_channels}], "
                f"or [{batch * decoder.num_channels}, rows] with the channels of a clip next to each other."
            )
        return rows

    def _cache(self, cache: EncoderDecoderCache | None, use_cache: bool | None) -> EncoderDecoderCache | None:
        if self.decoder.recomputes:
            if use_cache:
                logger.warning_once("`use_cache=True` is ignored, because gradient checkpointing is on.")
            return None
        if cache is None and use_cache:
            decoder = self.config.decoder_config
            return EncoderDecoderCache(DynamicCache(config=decoder), DynamicCache(config=decoder))
        return cache


class DiaForConditionalGeneration(DiaPreTrainedModel, DiaGenerationMixin):
    """Dia with a language modeling head: computes logits and loss, and generates grids of codes.

    `dia.generation_dia` documents `generate()`.
    """

    output_modalities = ("audio",)

    def __init__(self, config: DiaConfig) -> None:
        super().__init__(config)
        self.model = DiaModel(config)
        decoder = config.get_text_config()
        self.num_channels, self.vocab_size = decoder.num_channels, decoder.vocab_size
        self.logits_dense = nn.Linear(decoder.hidden_size, self.num_channels * self.vocab_size, bias=False)
        self.loss_type = "ForMaskedLM"
        self.post_init()

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Resize the text embeddings, see `DiaModel`."""
        return self.model.resize_token_embeddings(*args, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_position_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        use_cache: bool | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Compute logits, and the loss if labels are given. See `DiaModel` for the other arguments.

        Args:
            labels: the grid shifted by one row, [B · C, R]: ids below V, or -100 to ignore a cell.
            logits_to_keep: compute logits for this many last rows only, or for the rows in a tensor; 0 means all.

        Returns:
            `logits` [B · C, R, V], and `loss`, the mean cross entropy over all labels that are not ignored.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_position_ids=decoder_position_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            use_cache=use_cache,
            cache=cache,
            **kwargs,
        )
        rows = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.logits_dense(outputs.last_hidden_state[:, rows])  # [B, R, C · V]
        logits = logits.unflatten(-1, (self.num_channels, self.vocab_size)).transpose(1, 2).flatten(0, 1)
        loss = None
        if labels is not None:
            # transformers' loss takes views of both. The logits of a batch of one are transposed.
            flat, wanted = logits.contiguous(), labels.contiguous()
            loss = self.loss_function(logits=flat, labels=wanted, vocab_size=self.vocab_size, **kwargs)
        return Seq2SeqLMOutput(
            loss,
            logits,
            cache_in(outputs),
            decoder_hidden_states=outputs.decoder_hidden_states,
            decoder_attentions=outputs.decoder_attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
            encoder_attentions=outputs.encoder_attentions,
        )


def _refuse(kwargs: dict[str, Any]) -> None:
    """Raise an error for unsupported arguments instead of ignoring them."""
    for name in ("inputs_embeds", "decoder_inputs_embeds", "position_ids"):
        if kwargs.get(name) is not None:
            raise ValueError(f"`{name}` is not supported by Dia; pass `input_ids` and `decoder_input_ids`.")


__all__ = ["DiaForConditionalGeneration", "DiaModel", "DiaPreTrainedModel"]
