"""The generation loop: one row of the grid after another. Knows the model's forward, nothing of text or waveforms.

Shapes: B clips, S text length, R grid rows, C channels, V ids of one channel.
"""

import copy
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
)
from transformers.cache_utils import DynamicCache, EncoderDecoderCache, StaticCache
from transformers.generation import GenerateEncoderDecoderOutput
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from dia.configuration_dia import DiaConfig
from dia.delay import delay
from dia.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
)

logger = logging.get_logger(__name__)

PUBLISHED_SAMPLING = {
    "do_sample": True,
    "guidance_scale": 3.0,
    "max_length": 3072,
    "temperature": 1.2,
    "top_k": 45,
    "top_p": 0.95,
}

Generators = torch.Generator | Sequence[torch.Generator] | None
_CACHES = ("dynamic", "static")


@dataclass
class _Text:
    """What the decoder sees of the text, the unconditional half after the conditional one under guidance."""

    states: BaseModelOutput  # last_hidden_state [B or 2B, S, E]
    mask: Tensor | None  # [B or 2B, S]


@dataclass
class _Grid:
    """The grid being written. `ids` and `forced` are flat [B · C, rows]; `forced` is PAD where a row is free."""

    ids: Tensor
    forced: Tensor
    mask: Tensor | None  # [B, rows], None when no clip is padded
    prefilled: int
    channels: int
    pad: int

    def rows(self, start: int, stop: int) -> Tensor:
        return self.ids[:, start:stop].unflatten(0, (-1, self.channels)).transpose(1, 2)  # [B, R, C]


@dataclass
class _Call:
    """One call of `generate()`, decided before the loop; nothing of it lives on the model."""

    text: _Text
    grid: _Grid
    cache: EncoderDecoderCache | None
    rules: LogitsProcessorList
    criteria: StoppingCriteriaList
    draw: Callable[[Tensor], Tensor]
    streamer: BaseStreamer | None
    settings: GenerationConfig
    guided: bool
    model_kwargs: dict[str, Any]


@dataclass
class _Records:
    """What `return_dict_in_generate` hands back beside the codes, one entry per row."""

    scores: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    decoder_attentions: list[Any] = field(default_factory=list)
    cross_attentions: list[Any] = field(default_factory=list)
    decoder_hidden_states: list[Any] = field(default_factory=list)


class _EndFlag:
    """Tells when every channel has ended without stalling the device: on CUDA the answer comes a few rows late."""

    def __init__(self, device: torch.device) -> None:
        self._late = device.type == "cuda"
        self._pending: deque[tuple[torch.cuda.Event, Tensor]] = deque()

    def __call__(self, ended: Tensor) -> bool:
        if not self._late:
            return bool(ended.all())
        answer = ended.all().to("cpu", non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._pending.append((event, answer))
        over = False
        while self._pending and self._pending[0][0].query():
            over = over or bool(self._pending.popleft()[1])
        return over


def published_generation_config(config: DiaConfig) -> GenerationConfig:
    """The sampling that Dia-1.6B was published with, for checkpoints that bring no generation_config.json."""
    decoder = config.get_text_config()
    return GenerationConfig(
        **PUBLISHED_SAMPLING,
        bos_token_id=decoder.bos_token_id,
        decoder_start_token_id=decoder.bos_token_id,
        eos_token_id=decoder.eos_token_id,
        pad_token_id=decoder.pad_token_id,
    )


class DiaGenerationMixin(GenerationMixin):
    """`generate()` for Dia, with the arguments and the meaning users know from transformers."""

    @torch.no_grad()
    def generate(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        stopping_criteria: StoppingCriteriaList | None = None,
        prefix_allowed_tokens_fn: Any = None,
        synced_gpus: bool | None = None,
        assistant_model: Any = None,
        streamer: BaseStreamer | None = None,
        negative_prompt_ids: Tensor | None = None,
        negative_prompt_attention_mask: Tensor | None = None,
        custom_generate: Any = None,
        generator: Generators = None,
        **kwargs: Any,
    ) -> GenerateEncoderDecoderOutput | Tensor:
        """Speak: text ids, and perhaps a prompt, → grids of codes; `DiaProcessor` makes the one and reads the other.

        Args:
            inputs: text ids, [B, S]; `input_ids=` is the same.
            generation_config: settings to use in place of the model's own; single ones may be given as keywords:
                `do_sample`, `temperature` (above 0), `top_k`, `top_p`, `guidance_scale` (0 or more, 1 turns guidance
                off), `num_return_sequences`, `cache_implementation` ("dynamic" or "static"), `use_cache`,
                `return_dict_in_generate`, `output_scores`, `output_logits` and the like.
                `max_new_tokens` counts grid rows, the rows of the delay among them; `max_length` counts rows before
                the delay is added, prompt included.
            logits_processor: more rules; they see `input_ids` [B · C, R] and guided scores [B · C, V].
            stopping_criteria: more reasons to stop, asked after every row with the same shapes.
            prefix_allowed_tokens_fn: refused.
            synced_gpus: refused if true.
            assistant_model: refused.
            streamer: is given the prompt's grid [B, R, C] and then every row [B, C] as it is drawn; see
                `dia.streaming.AudioStreamer` for sound.
            negative_prompt_ids: refused; the unconditional text of Dia is fixed.
            negative_prompt_attention_mask: likewise.
            custom_generate: refused.
            generator: source of randomness, one for all or one per returned clip. With its own generator a clip
                comes out the same alone and in a batch.
            **kwargs: `attention_mask` [B, S]; `decoder_input_ids` [B, R, C], the delayed prompt with PAD where codes
                are to be predicted; `decoder_attention_mask` [B, R], 0 where the prompt is padded on the left;
                `past_key_values`, a cache of your own; `encoder_outputs`; and the settings named above.

        Returns:
            Grids, [B · num_return_sequences, R, C], or a `GenerateEncoderDecoderOutput` whose `sequences` they are.

        Raises:
            ValueError: an argument is refused, unknown, or does not fit; the message names it.
        """
        refused = {
            "prefix_allowed_tokens_fn": prefix_allowed_tokens_fn,
            "synced_gpus": synced_gpus or None,
            "assistant_model": assistant_model,
            "negative_prompt_ids": negative_prompt_ids,
            "negative_prompt_attention_mask": negative_prompt_attention_mask,
            "custom_generate": custom_generate,
        }
        settings, model_kwargs = self._settings(generation_config, refused, kwargs)
        guided = settings.guidance_scale not in (None, 1)
        text = self._encode_text(inputs, model_kwargs, settings.num_return_sequences, guided)
        grid = self._start_grid(text, model_kwargs, settings, guided)
        self._prepare_special_tokens(settings, device=grid.ids.device)
        call = _Call(
            text=text,
            grid=grid,
            cache=self._start_cache(settings, model_kwargs.pop("past_key_values", None)),
            rules=self._rules(settings, grid, logits_processor, guided),
            criteria=self._get_stopping_criteria(settings, stopping_criteria or StoppingCriteriaList()),
            draw=_drawer(bool(settings.do_sample), generator, grid),
            streamer=streamer,
            settings=settings,
            guided=guided,
            model_kwargs=model_kwargs,
        )
        end, records = self._write_rows(call)
        sequences = grid.rows(0, end)
        return _output(sequences, records, call) if settings.return_dict_in_generate else sequences

    def _settings(
        self, config: GenerationConfig | None, refused: dict[str, Any], kwargs: dict[str, Any]
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """One settled GenerationConfig and what remains for the model, or a refusal by name."""
        settings, model_kwargs = self._prepare_generation_config(config, **kwargs)
        refused = refused | {name: getattr(settings, name, None) for name in ("stop_strings", "prefill_chunk_size")}
        for name, value in refused.items():
            if value is not None:
                raise ValueError(f"`{name}` is not supported by Dia; leave it out.")
        if settings.get_generation_mode() not in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH):
            raise ValueError(
                f"generation mode {settings.get_generation_mode().value!r} is not supported by Dia; use greedy search "
                "or sampling (num_beams=1, no penalty_alpha, no dola_layers, no constraints)."
            )
        if settings.do_sample and settings.temperature is not None and not settings.temperature > 0:
            raise ValueError(f"temperature={settings.temperature} must be above 0; do_sample=False is greedy.")
        self._validate_model_kwargs(dict(model_kwargs))
        decoder = self.config.decoder_config
        settings.eos_token_id, settings.pad_token_id = decoder.eos_token_id, decoder.pad_token_id
        settings.bos_token_id = settings.decoder_start_token_id = decoder.bos_token_id
        return settings, model_kwargs

    def _encode_text(self, inputs: Tensor | None, kwargs: dict[str, Any], copies: int, guided: bool) -> _Text:
        """Run the encoder once; under guidance a second batch half reads zeros through the same mask."""
        ids = kwargs.pop("input_ids", None) if inputs is None else inputs
        mask, states = kwargs.pop("attention_mask", None), kwargs.pop("encoder_outputs", None)
        if states is None:
            _check_text(ids, mask, self.config.encoder_config.max_position_embeddings)
            if guided:
                ids = torch.cat([ids, torch.zeros_like(ids)])
                mask = None if mask is None else mask.repeat(2, 1)
            wanted = {name: kwargs[name] for name in ("output_attentions", "output_hidden_states") if name in kwargs}
            states = self.get_encoder()(input_ids=ids, attention_mask=mask, return_dict=True, **wanted)
        elif not isinstance(states, BaseModelOutput):
            states = BaseModelOutput(*states)
        if copies > 1:
            repeated = states.last_hidden_state.repeat_interleave(copies, dim=0)
            states = BaseModelOutput(repeated, states.hidden_states, states.attentions)
            mask = None if mask is None else mask.repeat_interleave(copies, dim=0)
        return _Text(states, mask)

    def _start_grid(self, text: _Text, kwargs: dict[str, Any], settings: GenerationConfig, guided: bool) -> _Grid:
        """Lay out the whole grid once: the prompt's rows, then PAD up to the length limit."""
        decoder, pattern = self.config.decoder_config, self.config.delay_pattern
        device = text.states.last_hidden_state.device
        clips = text.states.last_hidden_state.shape[0] // (2 if guided else 1)
        prompt = kwargs.pop("decoder_input_ids", None)
        prompt_mask = kwargs.pop("decoder_attention_mask", None)
        if prompt is None:
            start = torch.full((clips, 1, len(pattern)), decoder.bos_token_id, dtype=torch.long, device=device)
            prompt = delay(start, pattern, decoder.bos_token_id, decoder.pad_token_id)
        _check_prompt(prompt, prompt_mask, clips, settings.num_return_sequences, len(pattern))
        copies = clips // prompt.shape[0]
        prompt = prompt.to(device, torch.long).repeat_interleave(copies, dim=0)
        free = (prompt[:, :, 0] == decoder.pad_token_id).sum(1)
        prefilled = int(prompt.shape[1] - free.max())
        max_rows = _max_rows(settings, prefilled, max(pattern), decoder.max_position_embeddings)
        forced = prompt.new_full((clips * len(pattern), max(max_rows, prompt.shape[1])), decoder.pad_token_id)
        forced[:, : prompt.shape[1]] = prompt.transpose(1, 2).flatten(0, 1)
        settings.max_length = max_rows
        mask = _grid_mask(prompt_mask, prefilled, forced.shape[1], copies, device)
        return _Grid(forced.clone(), forced, mask, prefilled, len(pattern), decoder.pad_token_id)

    def _rules(
        self,
        settings: GenerationConfig,
        grid: _Grid,
        extra: LogitsProcessorList | None,
        guided: bool,
    ) -> LogitsProcessorList:
        """All rules: guidance, transformers' own, the caller's, temperature, end, top-k and top-p, delayed end."""
        eos = self.config.decoder_config.eos_token_id
        ours = LogitsProcessorList(extra or [])
        if settings.temperature not in (None, 1.0):
            ours.append(TemperatureLogitsWarper(float(settings.temperature)))
        ours.append(DiaEndOfSpeechLogitsProcessor(grid.channels, eos))
        plain = copy.copy(settings)
        plain.guidance_scale = plain.temperature = None
        rules = self._get_logits_processor(
            plain, input_ids_seq_length=grid.prefilled, logits_processor=ours, device=grid.ids.device, model_kwargs={}
        )
        if guided:
            rules.insert(0, DiaGuidanceLogitsProcessor(settings.guidance_scale, settings.top_k or None))
        rules.append(DiaDelayedEndLogitsProcessor(self.config.delay_pattern, eos, settings.max_length))
        return rules

    def _start_cache(self, settings: GenerationConfig, own: EncoderDecoderCache | None) -> EncoderDecoderCache | None:
        if own is not None or not settings.use_cache:
            return own
        name = settings.cache_implementation or "dynamic"
        if name not in _CACHES:
            raise ValueError(f"cache_implementation={name!r} is not supported; use one of {', '.join(_CACHES)}.")
        decoder = self.config.decoder_config
        rows = DynamicCache(config=decoder)
        if name == "static":
            rows = StaticCache(config=decoder, max_cache_len=settings.max_length)
        return EncoderDecoderCache(rows, DynamicCache(config=decoder))

    def _write_rows(self, call: _Call) -> tuple[int, _Records]:
        """Write rows until every channel has ended; returns the number of rows and what was recorded."""
        grid, streamer, records = call.grid, call.streamer, _Records()
        over, ended = _EndFlag(grid.ids.device), grid.ids.new_zeros(grid.ids.shape[0], dtype=torch.bool)
        if streamer is not None:
            streamer.put(grid.rows(0, grid.prefilled).cpu())
        seen, row = 0 if call.cache is None else call.cache.get_seq_length(), grid.prefilled
        while row < call.settings.max_length:
            outputs = self._run_rows(call, seen, row)
            logits = outputs.logits[:, -1].to(grid.ids.device, torch.float32, copy=True)  # [B · C or 2 · B · C, V]
            scores = call.rules(grid.ids[:, :row], logits)
            _record(records, call.settings, outputs, logits, scores)
            drawn = call.draw(scores).masked_fill(ended, grid.pad)
            grid.ids[:, row] = torch.where(grid.forced[:, row] == grid.pad, drawn, grid.forced[:, row])
            seen, row = (0 if call.cache is None else row), row + 1
            ended = ended | call.criteria(grid.ids[:, :row], scores)
            if streamer is not None:
                streamer.put(grid.rows(row - 1, row)[:, 0].cpu())
            if over(ended):
                break
        if streamer is not None:
            streamer.end()
        return _last_row(grid, row), records

    def _run_rows(self, call: _Call, start: int, stop: int) -> Any:
        """The decoder over rows start…stop − 1, which after the first call is a single one."""
        grid, halves = call.grid, 2 if call.guided else 1
        return self(
            attention_mask=call.text.mask,
            decoder_input_ids=grid.rows(start, stop).repeat(halves, 1, 1),
            decoder_attention_mask=None if grid.mask is None else grid.mask[:, :stop].repeat(halves, 1),
            decoder_position_ids=torch.arange(start, stop, device=grid.ids.device)[None],
            encoder_outputs=call.text.states,
            past_key_values=call.cache,
            use_cache=call.cache is not None,
            logits_to_keep=1,
            return_dict=True,
            **call.model_kwargs,
        )


def _check_text(ids: Tensor | None, mask: Tensor | None, limit: int) -> None:
    if ids is None:
        raise ValueError("`input_ids` is missing: generate() needs the text ids [batch, length] of the processor.")
    if ids.ndim != 2 or ids.numel() == 0:
        raise ValueError(f"`input_ids` has shape {tuple(ids.shape)}; expected [batch, length], neither of them 0.")
    if ids.shape[1] > limit:
        raise ValueError(f"`input_ids` holds {ids.shape[1]} ids; the encoder reads {limit}. Split the script.")
    if mask is not None and mask.shape != ids.shape:
        raise ValueError(f"`attention_mask` has shape {tuple(mask.shape)}, `input_ids` {tuple(ids.shape)}.")


def _check_prompt(prompt: Tensor, mask: Tensor | None, clips: int, copies: int, channels: int) -> None:
    if prompt.ndim != 3 or prompt.shape[-1] != channels or prompt.shape[0] not in (clips, clips // copies):
        raise ValueError(
            f"`decoder_input_ids` has shape {tuple(prompt.shape)}; expected [{clips // copies}, rows, {channels}]."
        )
    if mask is not None and (mask.ndim != 2 or mask.shape[0] != prompt.shape[0]):
        raise ValueError(
            f"`decoder_attention_mask` has shape {tuple(mask.shape)}; expected [{prompt.shape[0]}, rows]."
        )


def _max_rows(settings: GenerationConfig, prefilled: int, delay_rows: int, default: int) -> int:
    """The longest grid that the length settings allow, prompt and delay included."""
    if settings.max_new_tokens is not None:
        limit, name = prefilled + settings.max_new_tokens, f"max_new_tokens={settings.max_new_tokens}"
    elif settings.max_length is not None:
        limit, name = settings.max_length + delay_rows, f"max_length={settings.max_length}"
    else:
        limit, name = default + delay_rows, f"decoder_config.max_position_embeddings={default}"
    shortest = prefilled + delay_rows + 2  # a frame, its EOS and the rows of the delay
    if limit < shortest:
        raise ValueError(
            f"{name} leaves no room for a frame of speech after {prefilled} rows of prompt and the {delay_rows} rows "
            f"of the delay; use max_new_tokens={shortest - prefilled} or more."
        )
    return limit


def _grid_mask(mask: Tensor | None, prefilled: int, rows: int, copies: int, device: torch.device) -> Tensor | None:
    """The decoder's mask over all rows to come, or None when nothing is padded, so that kernels may skip it."""
    if mask is None or bool(mask[:, :prefilled].all()):
        return None
    whole = torch.ones(mask.shape[0], rows, dtype=torch.long, device=device)
    whole[:, :prefilled] = mask[:, :prefilled]
    return whole.repeat_interleave(copies, dim=0)


def _drawer(sample: bool, generator: Generators, grid: _Grid) -> Callable[[Tensor], Tensor]:
    """How an id is chosen from scores [B · C, V], decided once before the loop."""
    if not sample:
        return lambda scores: scores.argmax(-1)
    if generator is None or isinstance(generator, torch.Generator):
        generators: list[torch.Generator | None] = [generator]
    else:
        generators = list(generator)
    clips = grid.ids.shape[0] // grid.channels
    known = all(one is None or isinstance(one, torch.Generator) for one in generators)
    if not known or len(generators) not in (1, clips):
        raise ValueError(f"`generator` must be one torch.Generator or a list of {clips}, one per returned clip.")

    def draw(scores: Tensor) -> Tensor:
        # The largest of p / exponential noise is a draw from p; unlike multinomial() it never asks the host.
        noise = torch.cat(
            [_noise(part, one) for part, one in zip(scores.chunk(len(generators)), generators, strict=True)]
        )
        return (scores.softmax(-1) / noise).argmax(-1)

    return draw


def _noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    device = like.device if generator is None else generator.device
    noise = torch.empty(like.shape, dtype=like.dtype, device=device)
    return noise.exponential_(generator=generator).to(like.device)


def _record(records: _Records, settings: GenerationConfig, outputs: Any, logits: Tensor, scores: Tensor) -> None:
    if not settings.return_dict_in_generate:
        return
    if settings.output_scores:
        records.scores.append(scores)
    if settings.output_logits:
        records.logits.append(logits)
    if settings.output_attentions:
        records.decoder_attentions.append(outputs.decoder_attentions)
        records.cross_attentions.append(outputs.cross_attentions)
    if settings.output_hidden_states:
        records.decoder_hidden_states.append(outputs.decoder_hidden_states)


def _last_row(grid: _Grid, written: int) -> int:
    """Rows that hold anything: a late end flag lets a few rows of nothing but PAD be written."""
    empty = (grid.ids[:, :written] == grid.pad).all(0)
    return written - int(empty.flip(0).cumprod(0).sum())


def _output(sequences: Tensor, records: _Records, call: _Call) -> GenerateEncoderDecoderOutput:
    rows = sequences.shape[1] - call.grid.prefilled

    def taken(entries: list[Any]) -> tuple[Any, ...] | None:
        return tuple(entries[:rows]) if entries else None

    return GenerateEncoderDecoderOutput(
        sequences=sequences,
        scores=taken(records.scores),
        logits=taken(records.logits),
        encoder_attentions=call.text.states.attentions if call.settings.output_attentions else None,
        encoder_hidden_states=call.text.states.hidden_states if call.settings.output_hidden_states else None,
        decoder_attentions=taken(records.decoder_attentions),
        cross_attentions=taken(records.cross_attentions),
        decoder_hidden_states=taken(records.decoder_hidden_states),
        past_key_values=call.cache,
    )


__all__ = ["DiaGenerationMixin", "published_generation_config"]
