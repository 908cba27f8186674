"""The generation loop, which writes the grid row by row. Independent of text and waveforms.

Shapes: B clips, S text length, R grid rows, C channels, V ids of one channel.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
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
from transformers.cache_utils import EncoderDecoderCache
from transformers.generation import GenerateEncoderDecoderOutput
from transformers.generation.configuration_utils import CompileConfig
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_outputs import BaseModelOutput

from dia.decoding.cache import CACHE, empty_cache, new_cache, one_cache
from dia.decoding.call.call import Call, Text, alone, sampler_for
from dia.decoding.call.encoding import encode
from dia.decoding.call.inputs import Grid, check_text, positions_of, start_grid
from dia.decoding.call.overrun import asks_for_length, overrun, warn_of_overrun
from dia.decoding.call.plain_loop import run_rows, write_plainly
from dia.decoding.call.records import Records, records_anything
from dia.decoding.call.setting_ranges import NEVER_NONE, check_ranges
from dia.decoding.call.settings import MODEL_INPUTS, check_settings, fill_special_ids, is_synced, merged
from dia.decoding.call.streamers import emit, finishing
from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
    check_rules,
)
from dia.decoding.noise import Generators, clip_keys
from dia.decoding.sampling import EndFlag
from dia.decoding.step.config import DecodeConfig, check_model, compile_options
from dia.decoding.step.prefill import SlotRequest, Start, save, starts_of, text_pairs
from dia.decoding.step.runner import runner_for, write_rows
from dia.decoding.step.sampler import PlainLoopNeeded
from dia.decoding.warm_up import WarmUp, warm_up
from dia.runtime.log import get_logger

logger = get_logger(__name__)

# Arguments of transformers' `generate` that are not supported.
_REFUSED = (
    "prefix_allowed_tokens_fn",
    "assistant_model",
    "negative_prompt_ids",
    "negative_prompt_attention_mask",
    "custom_generate",
)


class DiaGenerationMixin(GenerationMixin):
    """`generate()` for Dia, with the arguments of transformers."""

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
        """Generate grids of codes from text ids and an optional prompt. `DiaProcessor` prepares the inputs and decodes
        the grids.

        Args:
            inputs: text ids, [B, S]; `input_ids=` is an alias.
            generation_config: settings to use instead of the model's. Keyword arguments override single settings:
                `do_sample`, `temperature` (above 0), `top_k`, `top_p`, `guidance_scale` (0 or more, 1 turns guidance
                off), `num_return_sequences`, `cache_implementation` ("dynamic" or "static"), `use_cache`,
                `return_dict_in_generate`, `output_scores`, `output_logits` and others.
                `max_new_tokens` counts grid rows, including the delay. `max_length` counts rows before the delay is
                added, including the prompt. A grid with fewer new rows than the largest delay plus two holds no
                complete frame; decoding it to audio is an error.
                `eos_token_id` stops a channel and `pad_token_id` fills it afterwards; the end-of-speech rules always
                use the checkpoint's ids.
            logits_processor: additional rules; they receive `input_ids` [B · C, R] and guided scores [B · C, V].
            stopping_criteria: additional criteria, called after every row with the same shapes.
            prefix_allowed_tokens_fn: not supported.
            synced_gpus: run until every process of the group has finished, for weights that are sharded over devices
                (FSDP, DeepSpeed ZeRO-3); by default True for sharded weights.
            assistant_model: not supported.
            streamer: receives the prompt's grid [B, R, C] and then each row [B, C] as it is generated; see
                `dia.streaming.DiaAudioStreamer` for audio.
            negative_prompt_ids: not supported; Dia's unconditional text is fixed.
            negative_prompt_attention_mask: not supported.
            custom_generate: not supported.
            generator: random number generator, one for all clips or one per returned clip. With its own generator a
                clip is the same alone and in a batch.
            **kwargs: `attention_mask` [B, S]; `decoder_input_ids` [B, R, C], the delayed prompt with PAD in the cells
                to predict; `decoder_attention_mask` [B, R], 0 for padding on the left; `decoder_position_ids` [B, R],
                the positions of the prompt's rows, which later rows continue; `past_key_values` or `cache`, a cache
                that holds fewer rows than the prompt; `encoder_outputs` of the text, without the unconditional half;
                `logits_to_keep`, which has no effect here; and the settings above.

        Returns:
            Grids, [B · num_return_sequences, R, C], or a `GenerateEncoderDecoderOutput` with the grids as `sequences`.

        Raises:
            ValueError: an argument is unsupported, unknown or invalid; the message names it.

        Warns:
            DiaWarning: a clip reached the model's own length limit, and the call sets no limit.
        """
        unsupported = (
            prefix_allowed_tokens_fn,
            assistant_model,
            negative_prompt_ids,
            negative_prompt_attention_mask,
            custom_generate,
        )
        refused = dict(zip(_REFUSED, unsupported, strict=True))
        with finishing(streamer):
            call = self._call(
                generation_config, refused, inputs, kwargs, logits_processor, stopping_criteria, generator, synced_gpus
            )
            call.streamer = streamer
            call.encoded_text = encode(self.get_encoder(), call)
            end, records = self._write(call)
            if not asks_for_length(self.generation_config, generation_config, kwargs):
                self._warn_of_overrun(call.grid, end, call.settings)
            return records.output(call.grid.rows(0, end), call.grid.prefilled, call.text.states, call.cache)

    def slot_request(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        stopping_criteria: StoppingCriteriaList | None = None,
        synced_gpus: bool | None = None,
        generator: Generators = None,
        **kwargs: Any,
    ) -> SlotRequest:
        """A clip for an `Engine`: validates the arguments of `generate` for a single text, without computing anything.

        Args:
            inputs: as in `generate`.
            generation_config: as in `generate`.
            logits_processor: as in `generate`.
            stopping_criteria: as in `generate`.
            synced_gpus: as in `generate`.
            generator: as in `generate`.
            **kwargs: as in `generate`.

        Raises:
            PlainLoopNeeded: only `generate` supports the call.
            ValueError: as `generate`.
        """
        refused = {name: kwargs.pop(name, None) for name in _REFUSED}
        call = self._call(
            generation_config, refused, inputs, kwargs, logits_processor, stopping_criteria, generator, synced_gpus
        )
        if call.grid.clips != 1 or call.settings.return_dict_in_generate:
            raise PlainLoopNeeded("the call asks for more than the rows of one clip")
        config = self._decode_config(call)

        @torch.no_grad()
        def prefill() -> Start:
            call.encoded_text = encode(self.get_encoder(), call)
            return self._prefill(call, together=config.fixed, in_place=False)[0]

        return SlotRequest(config, call.grid.rows(0, call.grid.prefilled).cpu(), prefill)

    def warm_up(self, slots: int | None = None) -> WarmUp:
        """Compile kernels, record the step of the model's engine for all lengths, and generate a short clip.

        Afterwards a clip with the default settings builds nothing new, nor does `generate` for as many clips as there
        are slots.

        Args:
            slots: how many clips the engine generates at once from now on; by default as many as before.

        Raises:
            TypeError, ValueError: `slots` is not a whole number from 1 on.
            MemoryError: a clip does not fit into memory.
        """
        return warm_up(self, slots)

    def _call(
        self,
        config: GenerationConfig | None,
        refused: dict[str, Any],
        inputs: Tensor | None,
        kwargs: dict[str, Any],
        logits_processor: LogitsProcessorList | None,
        stopping_criteria: StoppingCriteriaList | None,
        generator: Generators,
        synced_gpus: bool | None,
    ) -> Call:
        """Validate the arguments of `generate` and set up its state, except for the encoded text."""
        settings, model_kwargs = self._settings(config, refused, kwargs)
        guided = settings.guidance_scale not in (None, 1)
        text = self._text(inputs, model_kwargs, settings.num_return_sequences)
        given = {name: model_kwargs.pop(name, None) for name in ("decoder_position_ids", CACHE)}
        prompt, mask = (model_kwargs.pop(name, None) for name in ("decoder_input_ids", "decoder_attention_mask"))
        grid = start_grid(self.config, settings, prompt, mask, text.clips, text.device)
        self._prepare_special_tokens(settings, device=grid.ids.device)
        plain_loop_arguments = given | {"stopping_criteria": stopping_criteria}
        return Call(
            given_text=text,
            grid=grid,
            positions=positions_of(given["decoder_position_ids"], grid),
            cache=self._start_cache(settings, given[CACHE], text.length),
            plain_loop_arguments=[name for name, value in plain_loop_arguments.items() if value is not None],
            keys=clip_keys(generator, text.clips).to(grid.ids.device) if settings.do_sample else None,
            rules=self._rules(settings, grid, logits_processor, guided),
            criteria=self._get_stopping_criteria(settings, stopping_criteria or StoppingCriteriaList()),
            streamer=None,
            settings=settings,
            guided=guided,
            synced=is_synced(self, synced_gpus),
            model_kwargs=model_kwargs,
        )

    def _warn_of_overrun(self, grid: Grid, end: int, settings: GenerationConfig) -> None:
        limit, eos = settings.max_length, self.config.get_text_config().eos_token_id
        clips = overrun(grid, end, limit, max(self.config.delay_pattern), eos)
        warn_of_overrun(clips, len(grid.ids) // grid.channels, limit)

    def _settings(
        self, config: GenerationConfig | None, refused: dict[str, Any], kwargs: dict[str, Any]
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """Merge and validate the settings; returns them and the keyword arguments for the model."""
        check_ranges(vars(config or self.generation_config))
        kwargs = check_ranges(kwargs)
        given = {name: value for name, value in kwargs.items() if value is not None or name not in NEVER_NONE}
        settings, model_kwargs = merged(self, config, given)
        lengths = (kwargs.get("max_length"), getattr(config, "max_length", None), self.generation_config.max_length)
        if lengths == (None, None, None):
            settings.max_length = None  # transformers defaults to 20
        check_settings(settings, refused)
        cache = one_cache(model_kwargs.pop("cache", None), model_kwargs.pop("past_key_values", None))
        for unused in ("logits_to_keep", "tokenizer"):  # only the last row's logits are needed, and no text is decoded
            model_kwargs.pop(unused, None)
        if model_kwargs.get("inputs_embeds") is not None:
            raise ValueError("`inputs_embeds` is not supported by Dia; pass `input_ids`.")
        if not model_kwargs.keys() <= MODEL_INPUTS:  # it reads signatures, which takes long
            self._validate_model_kwargs(dict(model_kwargs))
        fill_special_ids(settings, self.config.get_text_config())
        return settings, model_kwargs if cache is None else model_kwargs | {CACHE: cache}

    def _text(self, inputs: Tensor | None, kwargs: dict[str, Any], copies: int) -> Text:
        """Take the text from the keyword arguments for the model, and validate it."""
        ids, mask = kwargs.pop("input_ids", None), kwargs.pop("attention_mask", None)
        states = kwargs.pop("encoder_outputs", None)
        wanted = {name: kwargs[name] for name in ("output_attentions", "output_hidden_states") if kwargs.get(name)}
        if states is None:
            ids = check_text(inputs, ids, mask, self.config.encoder_config)
        elif not isinstance(states, BaseModelOutput):
            states = BaseModelOutput(*states)
        return Text(None if states is not None else ids, mask, states, wanted, copies)

    def _rules(
        self,
        settings: GenerationConfig,
        grid: Grid,
        extra: LogitsProcessorList | None,
        guided: bool,
    ) -> LogitsProcessorList:
        """All rules: guidance, transformers' own, the caller's, temperature, end, top-k and top-p, delayed end."""
        eos = self.config.decoder_config.eos_token_id
        own = LogitsProcessorList(check_rules(extra))
        if settings.temperature not in (None, 0.0, 1.0):  # 0 is possible with greedy search only
            own.append(TemperatureLogitsWarper(float(settings.temperature)))
        own.append(DiaEndOfSpeechLogitsProcessor(grid.channels, eos))
        plain = copy.copy(settings)
        plain.guidance_scale = plain.temperature = None
        rules = self._get_logits_processor(
            plain, input_ids_seq_length=grid.prefilled, logits_processor=own, device=grid.ids.device, model_kwargs={}
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
            raise ValueError(f"`cache_implementation` and `{CACHE}` are both given; pass one of them.")
        return own

    def _write(self, call: Call) -> tuple[int, Records]:
        """Write rows with the fast step if it supports the call, else with the plain loop. Logs which one runs."""
        try:
            config = self._decode_config(call)
        except PlainLoopNeeded as reason:
            ignored = " compile_config is ignored." if call.compilation else ""
            logger.info_once(f"generate() uses the plain loop, which is slower, because {reason}.{ignored}")
            return write_plainly(self, call)
        logger.info_once(f"generate() uses the fast step, {config.mode}.")
        return self._write_fast(call, config), Records(call.settings)

    def _decode_config(self, call: Call) -> DecodeConfig:
        """The configuration of the fast step. Raises PlainLoopNeeded if the fast step does not support the call."""
        settings, grid, decoder = call.settings, call.grid, self.config.get_text_config()
        own_ids = settings.eos_token_id, settings.pad_token_id
        reasons = {
            "use_cache is False": not settings.use_cache,
            "scores, logits, attentions or hidden states are requested": records_anything(settings),
            "max_time is set": settings.max_time is not None,
            "synced_gpus is on": call.synced,
            "eos_token_id or pad_token_id is not the checkpoint's": own_ids
            != (decoder.eos_token_id, decoder.pad_token_id),
            f"the call passes {', '.join(call.plain_loop_arguments)}": call.plain_loop_arguments,
            f"the model receives {', '.join(call.model_kwargs)}": call.model_kwargs,
            "decoder_attention_mask hides rows behind the first one that it shows": grid.padding is None,
        }
        for reason, holds in reasons.items():
            if holds:
                raise PlainLoopNeeded(reason)
        check_model(self)
        compilation = call.compilation
        if compilation is None and self._compiled_call_impl is not None and not settings.disable_compile:
            compilation = CompileConfig()  # after `model.compile()` the step is compiled, too
        fixed, sampler = grid.ids.device.type != "cpu" or compilation is not None, sampler_for(call)
        return DecodeConfig(
            pattern=tuple(self.config.delay_pattern),
            pad=grid.pad,
            eos=decoder.eos_token_id,
            slots=grid.clips,
            rows=grid.ids.shape[1],
            guided=call.guided,
            text=call.given_text.length if fixed else None,
            sampler=sampler.kind if fixed else None,
            recorded=grid.ids.is_cuda and not settings.disable_compile,
            compiled=None if compilation is None else compile_options(compilation),
        )

    def _write_fast(self, call: Call, config: DecodeConfig) -> int:
        grid, kept = call.grid, call.cache
        if not emit(call.streamer, grid.rows(0, grid.prefilled)):
            return grid.prefilled
        wanted = call.settings.return_dict_in_generate and kept is not None
        call.cache = kept if wanted else None
        starts = self._prefill(call, together=config.fixed, in_place=wanted)
        with runner_for(self, config) as runner:
            runner.step.refresh()
            end = write_rows(runner, grid, starts, EndFlag(grid.ids.device), call.streamer, stay=wanted)
            if kept is not None and wanted:
                states, mask = call.text.states.last_hidden_state, call.text.mask
                read = states.new_ones(states.shape[:2]) if mask is None else mask
                save(runner.step, kept, starts, grid, read[: grid.clips].bool(), end - 1)
        return end

    def _prefill(self, call: Call, together: bool, in_place: bool) -> list[Start]:
        """Compute the prompts of all clips. That of a prompt of one row is left to the step.

        Args:
            call: the call.
            together: compute all clips in one batch. In the last bits, its results depend on the others in it.
            in_place: count positions from the grid's first row for all clips, as a returned cache needs it.
        """
        clips, layers = range(call.grid.clips), self.model.decoder.layers
        sampler, keys = sampler_for(call), [0] * len(clips) if call.keys is None else call.keys.tolist()
        apart = [(call, keys)] if together else [(alone(call, clip, in_place), keys[clip:][:1]) for clip in clips]
        starts = []
        for part, own in apart:
            grid, mask, cache, logits = part.grid, part.text.mask, empty_cache(), None
            if grid.prefilled == 1:
                text: Sequence[Any] = text_pairs(layers, part.text.states.last_hidden_state, grid.clips)
            else:  # use the eager forward: a compiled one would be compiled for a single run
                part = replace(part, cache=cache)
                logits = run_rows(self.forward, part, 0, grid.prefilled).logits[:, -1].to(grid.ids.device)
                text = cache.cross_attention_cache.layers
            rest = call.settings.max_length - call.grid.prefilled + grid.prefilled
            rows = cache.self_attention_cache.layers
            starts += starts_of(rows, text, grid, mask, part.positions, rest, sampler, own, logits)
        return starts


__all__ = ["DiaGenerationMixin"]
