"""The generation loop: one row of the grid after another. Knows the model's forward, nothing of text or waveforms.

Shapes: B clips, S text length, R grid rows, C channels, V ids of one channel.
"""

import copy
from collections.abc import Callable
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
from transformers.generation.configuration_utils import CompileConfig, GenerationMode
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from dia.decoding.fused_sampling import PlainLoopNeeded, choice_of
from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
)
from dia.decoding.inputs import Grid, check_text, start_grid
from dia.decoding.sampling import EndFlag, Generators, drawer, noise_source
from dia.decoding.static_step import Plan, check_model, compile_options, runner_for, write_rows
from dia.decoding.streamers import ended, hand_over

logger = logging.get_logger(__name__)

_CACHES = ("dynamic", "static")


@dataclass
class _Text:
    """What the decoder sees of the text, the unconditional half after the conditional one under guidance."""

    states: BaseModelOutput  # last_hidden_state [B or 2B, S, E]
    mask: Tensor | None  # [B or 2B, S]


@dataclass
class _Call:
    """One call of `generate()`, decided before the loop; nothing of it lives on the model."""

    text: _Text
    grid: Grid
    cache: EncoderDecoderCache | None
    brought: list[str]  # of past_key_values and stopping_criteria, what the caller has given
    generator: Generators
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
                `dia.streaming.DiaAudioStreamer` for sound.
            negative_prompt_ids: refused; the unconditional text of Dia is fixed.
            negative_prompt_attention_mask: likewise.
            custom_generate: refused.
            generator: source of randomness, one for all or one per returned clip. With its own generator a clip
                comes out the same alone and in a batch.
            **kwargs: `attention_mask` [B, S]; `decoder_input_ids` [B, R, C], the delayed prompt with PAD where codes
                are to be predicted; `decoder_attention_mask` [B, R], 0 where the prompt is padded on the left;
                `past_key_values`, a cache of your own, in which fewer rows than the prompt's may already be;
                `encoder_outputs`, those of the text alone; and the settings named above.

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
        with ended(streamer):
            settings, model_kwargs = self._settings(generation_config, refused, kwargs)
            guided = settings.guidance_scale not in (None, 1)
            text = self._encode_text(inputs, model_kwargs, settings.num_return_sequences, guided)
            states = text.states.last_hidden_state
            clips = len(states) // 2 if guided else len(states)
            prompt, mask = (model_kwargs.pop(name, None) for name in ("decoder_input_ids", "decoder_attention_mask"))
            grid = start_grid(self.config, settings, prompt, mask, clips, states.device)
            self._prepare_special_tokens(settings, device=grid.ids.device)
            own = {
                "past_key_values": model_kwargs.pop("past_key_values", None),
                "stopping_criteria": stopping_criteria,
            }
            call = _Call(
                text=text,
                grid=grid,
                cache=self._start_cache(settings, own["past_key_values"]),
                brought=[name for name, given in own.items() if given is not None],
                generator=generator,
                rules=self._rules(settings, grid, logits_processor, guided),
                criteria=self._get_stopping_criteria(settings, stopping_criteria or StoppingCriteriaList()),
                draw=drawer(bool(settings.do_sample), generator, clips),
                streamer=streamer,
                settings=settings,
                guided=guided,
                model_kwargs=model_kwargs,
            )
            end, records = self._write(call)
            sequences = grid.rows(0, end)
            return _output(sequences, records, call) if settings.return_dict_in_generate else sequences

    def _settings(
        self, config: GenerationConfig | None, refused: dict[str, Any], kwargs: dict[str, Any]
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """One settled GenerationConfig and what remains for the model, or a refusal by name."""
        settings, model_kwargs = self._prepare_generation_config(config, **kwargs)
        lengths = (kwargs.get("max_length"), getattr(config, "max_length", None), self.generation_config.max_length)
        if lengths == (None, None, None):
            settings.max_length = None  # where nobody sets a length transformers sets 20
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
        ids, mask = kwargs.pop("input_ids", None), kwargs.pop("attention_mask", None)
        states, masks = kwargs.pop("encoder_outputs", None), mask.repeat(2, 1) if guided and mask is not None else mask
        if states is None:
            ids = check_text(inputs, ids, mask, self.config.encoder_config)
            ids = torch.cat([ids, torch.zeros_like(ids)]) if guided else ids
            wanted = {name: kwargs[name] for name in ("output_attentions", "output_hidden_states") if name in kwargs}
            states = self.get_encoder()(input_ids=ids, attention_mask=masks, return_dict=True, **wanted)
        else:
            states = states if isinstance(states, BaseModelOutput) else BaseModelOutput(*states)
            states = self._with_unconditional(states, mask) if guided else states
        if masks is not None and bool(masks.all()):
            masks = None  # nothing is padded: no row need make a mask of it
        if copies > 1:
            repeated = states.last_hidden_state.repeat_interleave(copies, dim=0)
            states = BaseModelOutput(repeated, states.hidden_states, states.attentions)
            masks = None if masks is None else masks.repeat_interleave(copies, dim=0)
        return _Text(states, masks)

    def _with_unconditional(self, conditional: BaseModelOutput, mask: Tensor | None) -> BaseModelOutput:
        states = conditional.last_hidden_state  # [B, S, E] → [2B, S, E]
        zeros = torch.zeros(states.shape[:2], dtype=torch.long, device=states.device)
        unconditional = self.get_encoder()(input_ids=zeros, attention_mask=mask, return_dict=True)
        return BaseModelOutput(torch.cat([states, unconditional.last_hidden_state]))

    def _rules(
        self,
        settings: GenerationConfig,
        grid: Grid,
        extra: LogitsProcessorList | None,
        guided: bool,
    ) -> LogitsProcessorList:
        """All rules: guidance, transformers' own, the caller's, temperature, end, top-k and top-p, delayed end."""
        eos = self.config.decoder_config.eos_token_id
        ours = LogitsProcessorList(extra or [])
        if settings.temperature not in (None, 0.0, 1.0):  # 0 comes here with greedy search only
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

    def _write(self, call: _Call) -> tuple[int, _Records]:
        """Write rows by the fast step where the call allows it, else by the plain loop; a debug line says why."""
        try:
            plan = self._plan(call)
        except PlainLoopNeeded as reason:
            logger.debug("the plain loop is used: %s", reason)
            return self._write_rows(call)
        return self._write_fast(call, plan), _Records()

    def _plan(self, call: _Call) -> Plan:
        """What the fast step is to be made for, or PlainLoopNeeded."""
        settings, grid, compilation = call.settings, call.grid, call.settings.compile_config
        if compilation is None and self._compiled_call_impl is not None:
            compilation = CompileConfig()  # who has called `model.compile()` wants the step compiled
        reasons = {
            "rows are not cached": not settings.use_cache,
            "cache_implementation is 'dynamic'": settings.cache_implementation == "dynamic",
            "more than codes is wanted": settings.return_dict_in_generate,
            "there is a limit of time": settings.max_time is not None,
            f"the caller brings {', '.join(call.brought)}": call.brought,
            f"the model is given {', '.join(call.model_kwargs)}": call.model_kwargs,
        }
        for reason, holds in reasons.items():
            if holds:
                raise PlainLoopNeeded(reason)
        check_model(self)
        return Plan(
            choice=choice_of(call.rules, bool(settings.do_sample)),
            pattern=tuple(self.config.delay_pattern),
            pad=grid.pad,
            clips=len(grid.ids) // grid.channels,
            rows=grid.ids.shape[1],
            text=call.text.states.last_hidden_state.shape[1],
            guided=call.guided,
            masked=grid.mask is not None,
            text_masked=call.text.mask is not None,
            recorded=grid.ids.is_cuda and not settings.disable_compile,
            compiled=None if compilation is None or settings.disable_compile else compile_options(compilation),
        )

    def _write_fast(self, call: _Call, plan: Plan) -> int:
        grid, decoder = call.grid, self.config.decoder_config
        noise = noise_source(call.generator, plan.clips) if call.settings.do_sample else None
        call.cache = EncoderDecoderCache(DynamicCache(config=decoder), DynamicCache(config=decoder))
        if not hand_over(call.streamer, grid.rows(0, grid.prefilled)):
            return grid.prefilled
        # Not a compiled forward: it would be compiled for one run.
        logits = self._run_rows(call, 0, grid.prefilled, self.forward).logits[:, -1]  # [N · C, V]
        logits = logits.to(grid.ids.device, torch.float32).reshape(plan.clips * plan.halves, -1)
        with runner_for(self, plan) as runner:
            runner.step.load(grid, call.cache, call.text.mask, call.settings.max_length)
            call.cache = None  # the step has taken it over
            over = EndFlag(grid.ids.device)
            return write_rows(runner, grid, logits, call.settings.max_length, noise, over, call.streamer)

    def _write_rows(self, call: _Call) -> tuple[int, _Records]:
        """Write rows until every channel has ended; returns the number of rows and what was recorded."""
        grid, streamer, records = call.grid, call.streamer, _Records()
        over, done = EndFlag(grid.ids.device), grid.ids.new_zeros(grid.ids.shape[0], dtype=torch.bool)
        wanted = hand_over(streamer, grid.rows(0, grid.prefilled))
        seen, row = 0 if call.cache is None else int(call.cache.get_seq_length()), grid.prefilled
        if seen >= row:
            raise ValueError(
                f"`past_key_values` holds {seen} rows of {row} in the prompt; the last must be left to read."
            )
        while wanted and row < call.settings.max_length:
            outputs = self._run_rows(call, seen, row)
            logits = outputs.logits[:, -1].to(grid.ids.device, torch.float32, copy=True)  # [B · C or 2 · B · C, V]
            scores = call.rules(grid.ids[:, :row], logits)
            _record(records, call.settings, outputs, logits, scores)
            drawn = call.draw(scores).masked_fill(done, grid.pad)
            grid.ids[:, row] = torch.where(grid.forced[:, row] == grid.pad, drawn, grid.forced[:, row])
            seen, row = (0 if call.cache is None else row), row + 1
            done = done | call.criteria(grid.ids[:, :row], scores)
            wanted = hand_over(streamer, grid.rows(row - 1, row)[:, 0])
            if over(done):
                break
        return grid.written(row), records

    def _run_rows(self, call: _Call, start: int, stop: int, forward: Callable[..., Any] | None = None) -> Any:
        """The decoder over rows start…stop − 1, which after the first call is a single one."""
        grid, halves = call.grid, 2 if call.guided else 1
        return (forward or self)(
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


__all__ = ["DiaGenerationMixin"]
