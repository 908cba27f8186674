"""Validates the inputs of `generate()` and builds the initial grid. Independent of the network.

Shapes: B clips, S text length, R grid rows, C channels.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from transformers import GenerationConfig

from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.decoding.delay import delay


@dataclass
class Grid:
    """The grid during generation. `ids` and `forced` are [B · C, rows]; `forced` is PAD for the cells to predict."""

    ids: Tensor
    forced: Tensor
    mask: Tensor | None  # [B, rows], None if no clip is padded
    prefilled: int
    channels: int
    pad: int

    @property
    def clips(self) -> int:
        """B."""
        return len(self.ids) // self.channels

    @cached_property
    def padding(self) -> list[int] | None:
        """Rows of padding on the left of each clip; None if the mask hides other rows, too."""
        if self.mask is None:
            return [0] * self.clips
        prompt = self.mask[:, : self.prefilled].long()
        padding = (prompt.cumsum(1) == 0).sum(1)
        on_the_left = bool((padding + prompt.sum(1) == self.prefilled).all()) and int(padding.max()) < self.prefilled
        return padding.tolist() if on_the_left else None

    def alone(self, clip: int, padding: int) -> "Grid":
        """The grid of one clip, without its padding."""
        of_clip = slice(clip * self.channels, (clip + 1) * self.channels)
        ids, forced = self.ids[of_clip, padding:], self.forced[of_clip, padding:]
        return Grid(ids, forced, None, self.prefilled - padding, self.channels, self.pad)

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows start…stop − 1 as [B, R, C]."""
        return self.ids[:, start:stop].unflatten(0, (-1, self.channels)).transpose(1, 2)

    def written(self, rows: int) -> int:
        """`rows` without trailing rows of PAD, which a late end flag can leave."""
        empty = (self.ids[:, :rows] == self.pad).all(0)
        return rows - int(empty.flip(0).cumprod(0).sum())


def start_grid(
    config: DiaConfig,
    settings: GenerationConfig,
    prompt: Tensor | None,
    prompt_mask: Tensor | None,
    clips: int,
    device: torch.device,
) -> Grid:
    """Create the full grid: the prompt's rows, then PAD up to the length limit.

    Args:
        config: the model's config.
        settings: the settings of the call, with all special ids set; `max_length` is set to the number of rows.
        prompt: [clips or clips / num_return_sequences, R, C], PAD in the cells to predict; BOS by default.
        prompt_mask: [clips or clips / num_return_sequences, R], 0 for padding on the left.
        clips: B.
        device: device of the grid.

    Raises:
        ValueError: the prompt has an invalid shape, or leaves no room for speech; the message names the argument.
    """
    decoder, pattern = config.get_text_config(), config.delay_pattern
    assert pattern is not None
    if prompt is None:
        first = settings.decoder_start_token_id
        start = torch.full((clips, 1, len(pattern)), first, dtype=torch.long, device=device)
        prompt = delay(start, pattern, first, decoder.pad_token_id)
    _check_prompt(prompt, prompt_mask, clips, settings.num_return_sequences, decoder)
    copies = clips // prompt.shape[0]
    prompt = prompt.to(device, torch.long).repeat_interleave(copies, dim=0)
    free = (prompt[:, :, 0] == decoder.pad_token_id).sum(1)
    prefilled = int(prompt.shape[1] - free.max())
    if prefilled == 0:
        raise ValueError("`decoder_input_ids` contains only PAD; it must start with BOS.")
    settings.max_length = max_rows(settings, prefilled, max(pattern), decoder.max_position_embeddings)
    forced = prompt.new_full((clips * len(pattern), max(settings.max_length, prompt.shape[1])), decoder.pad_token_id)
    forced[:, : prompt.shape[1]] = prompt.transpose(1, 2).flatten(0, 1)
    mask = _grid_mask(prompt_mask, prefilled, forced.shape[1], copies, device)
    return Grid(forced.clone(), forced, mask, prefilled, len(pattern), decoder.pad_token_id)


def check_text(inputs: Tensor | None, ids: Tensor | None, mask: Tensor | None, encoder: DiaEncoderConfig) -> Tensor:
    """Validate and return the text ids [B, S] of a call. Raises ValueError if they are invalid."""
    if inputs is not None and ids is not None:
        raise ValueError("`inputs` and `input_ids` are names of the same argument; pass one of them.")
    ids = ids if inputs is None else inputs
    if ids is None:
        raise ValueError("`input_ids` is missing; pass the processor's text ids [batch, length].")
    if ids.ndim != 2 or ids.numel() == 0:
        raise ValueError(f"`input_ids` has shape {tuple(ids.shape)}; expected a non-empty tensor [batch, length].")
    if ids.shape[1] > encoder.max_position_embeddings:
        limit = encoder.max_position_embeddings
        raise ValueError(f"`input_ids` has {ids.shape[1]} ids; the encoder's limit is {limit}. Split the script.")
    if mask is not None and mask.shape != ids.shape:
        raise ValueError(
            f"`attention_mask` has shape {tuple(mask.shape)}; expected {list(ids.shape)}, the shape of `input_ids`."
        )
    _check_ids("input_ids", ids, encoder.vocab_size)
    return ids


def _check_prompt(prompt: Tensor, mask: Tensor | None, clips: int, copies: int, decoder: DiaDecoderConfig) -> None:
    if prompt.ndim != 3 or prompt.shape[-1] != decoder.num_channels or prompt.shape[0] not in (clips, clips // copies):
        raise ValueError(
            f"`decoder_input_ids` has shape {tuple(prompt.shape)}; "
            f"expected [{clips // copies}, rows, {decoder.num_channels}]."
        )
    if mask is not None and mask.shape != prompt.shape[:2]:
        raise ValueError(
            f"`decoder_attention_mask` has shape {tuple(mask.shape)}; expected {list(prompt.shape[:2])}, batch and "
            "rows of `decoder_input_ids`."
        )
    _check_ids("decoder_input_ids", prompt, decoder.vocab_size)


def _check_ids(name: str, ids: Tensor, vocabulary: int) -> None:
    wrong = (ids < 0) | (ids >= vocabulary)
    if wrong.any():
        raise ValueError(f"`{name}` contains {int(ids[wrong][0])}; ids must be from 0 to {vocabulary - 1}.")


def max_rows(settings: GenerationConfig, prefilled: int, delay_rows: int, default: int) -> int:
    """Maximum number of grid rows allowed by the length settings, including prompt and delay.

    Raises:
        ValueError: there is no room for a new row.
    """
    limit, name = _limit(settings, prefilled, delay_rows, default)
    if limit <= prefilled:
        raise ValueError(
            f"{name} leaves no room for a new row after {prefilled} rows of prompt; use max_new_tokens=1 or more."
        )
    return limit


def speech_rows(settings: GenerationConfig, prefilled: int, delay_rows: int, default: int) -> int:
    """As `max_rows`, for grids that are decoded to audio.

    Raises:
        ValueError: there is no room for a frame, its EOS and the delay.
    """
    limit, name = _limit(settings, prefilled, delay_rows, default)
    shortest = prefilled + delay_rows + 2
    if limit < shortest:
        raise ValueError(
            f"{name} leaves no room for a frame of speech after {prefilled} rows of prompt and {delay_rows} rows of "
            f"delay; use max_new_tokens={shortest - prefilled} or more."
        )
    return limit


def _limit(settings: GenerationConfig, prefilled: int, delay_rows: int, default: int) -> tuple[int, str]:
    """Maximum number of rows, and the setting it comes from."""
    if settings.max_new_tokens is not None:
        return prefilled + settings.max_new_tokens, f"max_new_tokens={settings.max_new_tokens}"
    if settings.max_length is not None:
        return settings.max_length + delay_rows, f"max_length={settings.max_length}"
    return default + delay_rows, f"decoder_config.max_position_embeddings={default}"


def positions_of(given: Tensor | None, grid: Grid) -> Tensor:
    """Positions of all rows, [1 or B, rows]: 0, 1, 2, …, or the caller's, continued after the prompt.

    Args:
        given: `decoder_position_ids`, [1 or a divisor of B, rows of the prompt or more], or None.
        grid: the grid from `start_grid`.

    Raises:
        ValueError: `given` has an invalid shape.
    """
    clips, rows = grid.ids.shape[0] // grid.channels, grid.ids.shape[1]
    counted = torch.arange(rows, device=grid.ids.device)[None]
    if given is None:
        return counted
    if given.ndim != 2 or clips % given.shape[0] or given.shape[1] < grid.prefilled:
        raise ValueError(
            f"`decoder_position_ids` has shape {tuple(given.shape)}; expected [{clips}, {grid.prefilled}], a position "
            "for each prompt row of each clip."
        )
    given = given.to(counted)[:, : grid.prefilled].repeat_interleave(clips // given.shape[0], dim=0)
    return torch.cat([given, given[:, -1:] + counted[:, 1 : rows - grid.prefilled + 1]], dim=1)


def _grid_mask(mask: Tensor | None, prefilled: int, rows: int, copies: int, device: torch.device) -> Tensor | None:
    """The decoder's mask over all rows, or None if nothing is padded, so that kernels can skip it."""
    if mask is None or bool(mask[:, :prefilled].all()):
        return None
    whole = torch.ones(mask.shape[0], rows, dtype=torch.long, device=device)
    whole[:, :prefilled] = mask[:, :prefilled]
    return whole.repeat_interleave(copies, dim=0)


__all__ = ["Grid", "check_text", "max_rows", "positions_of", "speech_rows", "start_grid"]
