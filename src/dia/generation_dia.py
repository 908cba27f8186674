"""The generation loop: one row of the grid after another. Knows the model's forward, nothing of text or waveforms.

Shapes: B clips, S text length, R grid rows, C channels, V ids of one channel.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.generation import GenerateEncoderDecoderOutput
from transformers.generation.configuration_utils import CompileConfig
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_outputs import BaseModelOutput

from dia.decoding.cache import CACHE, new_cache, one_cache
from dia.decoding.decode_config import DecodeConfig, check_model, compile_options
from dia.decoding.fused_sampling import PlainLoopNeeded, sampler_of
from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
    check_rules,
)
from dia.decoding.inputs import Grid, check_text, positions_of, start_grid
from dia.decoding.overrun import asks_for_length, overrun, warn_of_overrun
from dia.decoding.records import Records, records_anything
from dia.decoding.sampling import EndFlag, Generators, drawer, noise_source
from dia.decoding.setting_ranges import check_ranges
from dia.decoding.settings import check_settings, fill_special_ids, is_synced
from dia.decoding.static_step import runner_for, write_rows
from dia.decoding.streamers import emit, ended
from dia.runtime.log import get_logger

logger = get_logger(__name__)


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
    positions: Tensor  # [1 or B, rows]
    cache: EncoderDecoderCache | None
    brought: list[str]  # what the caller has given that only the plain loop can use
    generator: Generators
    rules: LogitsProcessorList
    criteria: StoppingCriteriaList
    draw: Callable[[Tensor], Tensor]
    streamer: BaseStreamer | None
    settings: GenerationConfig
    guided: bool
    synced: bool
    model_kwargs: dict[str, Any]

    @property
    def compilation(self) -> CompileConfig | None:
        """What the caller asks of `torch.compile`, if anything."""
        return None if self.settings.disable_compile else self.settings.compile_config


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
                the delay is added, prompt included. With fewer new rows than the largest delay and two more the grid
                is cut off before any frame is whole; what makes sound refuses that.
                `eos_token_id` and `pad_token_id`: what stops a channel, and what is written from then on; the rules
                of the end keep to the checkpoint's.
            logits_processor: more rules; they see `input_ids` [B · C, R] and guided scores [B · C, V].
            stopping_criteria: more reasons to stop, asked after every row with the same shapes.
            prefix_allowed_tokens_fn: refused.
            synced_gpus: go on until every process of the group has ended, for weights that are spread over devices
                (FSDP, DeepSpeed ZeRO-3); by default where they are.
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
                `decoder_position_ids` [B, R], the position of every row of the prompt; the rows after it count on;
                `past_key_values` or `cache`, a cache of your own, in which fewer rows than the prompt's may already
                be; `encoder_outputs`, those of the text alone; `logits_to_keep`, which changes nothing here; and the
                settings named above.

        Returns:
            Grids, [B · num_return_sequences, R, C], or a `GenerateEncoderDecoderOutput` whose `sequences` they are.

        Raises:
            ValueError: an argument is refused, unknown, or does not fit; the message names it.

        Warns:
            DiaWarning: a clip was ended by the model's own limit of length, where the call sets none.
        """
        refused = {
            "prefix_allowed_tokens_fn": prefix_allowed_tokens_fn,
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
            given = {name: model_kwargs.pop(name, None) for name in ("decoder_position_ids", CACHE)}
            prompt, mask = (model_kwargs.pop(name, None) for name in ("decoder_input_ids", "decoder_attention_mask"))
            grid = start_grid(self.config, settings, prompt, mask, clips, states.device)
            self._prepare_special_tokens(settings, device=grid.ids.device)
            brought = given | {"stopping_criteria": stopping_criteria}
            call = _Call(
                text=text,
                grid=grid,
                positions=positions_of(given["decoder_position_ids"], grid),
                cache=self._start_cache(settings, given[CACHE], states.shape[1]),
                brought=[name for name, value in brought.items() if value is not None],
                generator=generator,
                rules=self._rules(settings, grid, logits_processor, guided),
                criteria=self._get_stopping_criteria(settings, stopping_criteria or StoppingCriteriaList()),
                draw=drawer(bool(settings.do_sample), generator, clips),
                streamer=streamer,
                settings=settings,
                guided=guided,
                synced=is_synced(self, synced_gpus),
                model_kwargs=model_kwargs,
            )
            end, records = self._write(call)
            if not asks_for_length(self.generation_config, generation_config, kwargs):
                self._warn_of_overrun(grid, end, settings)
            return records.output(grid.rows(0, end), grid.prefilled, text.states, call.cache)

    def _warn_of_overrun(self, grid: Grid, end: int, settings: GenerationConfig) -> None:
        limit, eos = settings.max_length, self.config.get_text_config().eos_token_id
        clips = overrun(grid, end, limit, max(self.config.delay_pattern), eos)
        warn_of_overrun(clips, len(grid.ids) // grid.channels, limit)

    def _settings(
        self, config: GenerationConfig | None, refused: dict[str, Any], kwargs: dict[str, Any]
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """One settled GenerationConfig and what remains for the model, or a refusal by name."""
        for values in (vars(config or self.generation_config), kwargs):
            check_ranges(values)
        settings, model_kwargs = self._prepare_generation_config(config, **kwargs)
        lengths = (kwargs.get("max_length"), getattr(config, "max_length", None), self.generation_config.max_length)
        if lengths == (None, None, None):
            settings.max_length = None  # where nobody sets a length transformers sets 20
        check_settings(settings, refused)
        own = one_cache(model_kwargs.pop("cache", None), model_kwargs.pop("past_key_values", None))
        for unused in ("logits_to_keep", "tokenizer"):  # the last row's logits are looked at, and no text is written
            model_kwargs.pop(unused, None)
        if model_kwargs.get("inputs_embeds") is not None:
            raise ValueError("`inputs_embeds` is not supported by Dia; give `input_ids`.")
        self._validate_model_kwargs(dict(model_kwargs))
        fill_special_ids(settings, self.config.get_text_config())
        return settings, model_kwargs if own is None else model_kwargs | {CACHE: own}

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
        ours = LogitsProcessorList(check_rules(extra))
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
        end = DiaDelayedEndLogitsProcessor(self.config.delay_pattern, eos, settings.max_length, grid.prefilled)
        rules.append(end)
        return rules

    def _start_cache(
        self, settings: GenerationConfig, own: EncoderDecoderCache | None, text: int
    ) -> EncoderDecoderCache | None:
        if own is None:
            return new_cache(settings, self.config.get_text_config(), text)
        if settings.cache_implementation is not None:
            raise ValueError(f"`cache_implementation` and `{CACHE}` both say which cache to use; give one of them.")
        return own

    def _write(self, call: _Call) -> tuple[int, Records]:
        """Write rows by the fast step where the call allows it, else by the plain loop; an info line says which."""
        try:
            config = self._decode_config(call)
        except PlainLoopNeeded as reason:
            ignored = " compile_config is not used there." if call.compilation else ""
            logger.info_once(f"generate() runs the plain loop, which is slower: {reason}.{ignored}")
            return self._write_rows(call)
        logger.info_once(f"generate() runs the fast step, {config.how}.")
        return self._write_fast(call, config), Records(call.settings)

    def _decode_config(self, call: _Call) -> DecodeConfig:
        """What the fast step is to be made for, or PlainLoopNeeded."""
        settings, grid, decoder = call.settings, call.grid, self.config.get_text_config()
        own_ids = settings.eos_token_id, settings.pad_token_id
        reasons = {
            "rows are not cached": not settings.use_cache,
            "scores, logits, attentions or hidden states are asked for": records_anything(settings),
            "there is a limit of time": settings.max_time is not None,
            "processes wait for each other (synced_gpus)": call.synced,
            "eos_token_id or pad_token_id is not the checkpoint's": own_ids
            != (decoder.eos_token_id, decoder.pad_token_id),
            f"the caller brings {', '.join(call.brought)}": call.brought,
            f"the model is given {', '.join(call.model_kwargs)}": call.model_kwargs,
        }
        for reason, holds in reasons.items():
            if holds:
                raise PlainLoopNeeded(reason)
        check_model(self)
        compilation = call.compilation
        if compilation is None and self._compiled_call_impl is not None and not settings.disable_compile:
            compilation = CompileConfig()  # who has called `model.compile()` wants the step compiled
        return DecodeConfig(
            sampler=sampler_of(call.rules, bool(settings.do_sample)),
            pattern=tuple(self.config.delay_pattern),
            pad=grid.pad,
            clips=len(grid.ids) // grid.channels,
            rows=grid.ids.shape[1],
            text=call.text.states.last_hidden_state.shape[1],
            guided=call.guided,
            masked=grid.mask is not None,
            text_masked=call.text.mask is not None,
            recorded=grid.ids.is_cuda and not settings.disable_compile,
            compiled=None if compilation is None else compile_options(compilation),
        )

    def _write_fast(self, call: _Call, config: DecodeConfig) -> int:
        grid, decoder, kept = call.grid, self.config.decoder_config, call.cache
        noise = noise_source(call.generator, config.clips) if call.settings.do_sample else None
        call.cache = EncoderDecoderCache(DynamicCache(config=decoder), DynamicCache(config=decoder))
        if not emit(call.streamer, grid.rows(0, grid.prefilled)):
            return grid.prefilled
        # Not a compiled forward: it would be compiled for one run.
        logits = self._run_rows(call, 0, grid.prefilled, self.forward).logits[:, -1]  # [N · C, V]
        logits = logits.to(grid.ids.device, torch.float32).reshape(config.clips * config.halves, -1)
        with runner_for(self, config) as runner:
            runner.step.load(grid, call.cache, call.text.mask, call.settings.max_length)
            text = call.text.states.last_hidden_state.shape[1]
            call.cache = None  # the step has taken it over
            over = EndFlag(grid.ids.device)
            end = write_rows(runner, grid, logits, call.settings.max_length, noise, over, call.streamer)
            if call.settings.return_dict_in_generate and kept is not None:
                call.cache = kept
                runner.step.save(kept, config.clips, end - 1, text)
        return end

    def _write_rows(self, call: _Call) -> tuple[int, Records]:
        """Write rows until every channel has ended; returns the number of rows and what was recorded."""
        grid, streamer, records = call.grid, call.streamer, Records(call.settings)
        over, done = EndFlag(grid.ids.device), grid.ids.new_zeros(grid.ids.shape[0], dtype=torch.bool)
        wanted = emit(streamer, grid.rows(0, grid.prefilled))
        seen, row = 0 if call.cache is None else int(call.cache.get_seq_length()), grid.prefilled
        if seen >= row:
            raise ValueError(f"`{CACHE}` holds {seen} rows of {row} in the prompt; the last must be left to read.")
        while wanted and row < call.settings.max_length:
            self._wait_for_others(call, finished=False)
            outputs = self._run_rows(call, seen, row)
            logits = outputs.logits[:, -1].to(grid.ids.device, torch.float32, copy=True)  # [B · C or 2 · B · C, V]
            scores = call.rules(grid.ids[:, :row], logits)
            records.add(outputs, logits, scores)
            drawn = call.draw(scores).masked_fill(done, call.settings.pad_token_id)
            grid.ids[:, row] = torch.where(grid.forced[:, row] == grid.pad, drawn, grid.forced[:, row])
            seen, row = (0 if call.cache is None else row), row + 1
            done = done | call.criteria(grid.ids[:, :row], scores)
            wanted = emit(streamer, grid.rows(row - 1, row)[:, 0])
            if over(done):
                break
        while self._wait_for_others(call, finished=True):
            self._run_again(call)
        return grid.written(row), records

    def _wait_for_others(self, call: _Call, finished: bool) -> bool:
        """Where processes share weights, tell the others whether this one has finished; whether any goes on."""
        return call.synced and self._has_unfinished_sequences(finished, True, call.grid.ids.device)

    def _run_again(self, call: _Call) -> None:
        """Take part in a step of the others, which need this process's share of the weights; nothing is kept."""
        unmasked = replace(call.grid, mask=None)
        last = call.grid.prefilled
        self._run_rows(replace(call, grid=unmasked, cache=None, model_kwargs={}), last - 1, last)

    def _run_rows(self, call: _Call, start: int, stop: int, forward: Callable[..., Any] | None = None) -> Any:
        """The decoder over rows start…stop − 1, which after the first call is a single one."""
        grid, halves, positions = call.grid, 2 if call.guided else 1, call.positions[:, start:stop]
        return (forward or self)(
            attention_mask=call.text.mask,
            decoder_input_ids=grid.rows(start, stop).repeat(halves, 1, 1),
            decoder_attention_mask=None if grid.mask is None else grid.mask[:, :stop].repeat(halves, 1),
            decoder_position_ids=positions if len(positions) == 1 else positions.repeat(halves, 1),
            encoder_outputs=call.text.states,
            use_cache=call.cache is not None,
            logits_to_keep=1,
            return_dict=True,
            **{CACHE: call.cache},
            **call.model_kwargs,
        )


__all__ = ["DiaGenerationMixin"]
