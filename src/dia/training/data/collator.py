"""Collate examples into batches: delay pattern, labels, text dropout for guidance, and noise in the input codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dia.decoding.grid import IGNORED, Channels, prefill, training_pair
from dia.training.data.dialogues import Script

TEXT_DROPOUT = 0.15
ALIGNMENT = ("places", "place_weight")
SWAPPED = ("swapped_input_ids", "swapped_attention_mask")

_REPLACED = 0.7  # share of replaced rows in a script that has any


@dataclass
class DiaCollator:
    """Scripts → the tensors that `DiaForConditionalGeneration` is trained with.

    Random choices depend only on each script's seed. A script therefore gives the same rows in every worker, process
    and batch. A script without a seed gets no noise and no dropout.

    Args:
        channels: delays and special ids of the model.
        text_dropout: share of the scripts whose text is replaced by zeros under the same mask, as in the unconditional
            input of guidance.
        code_noise: share of the decoder's input codes that are replaced by random ones. Labels do not change.
        row_noise: share of the input rows that are replaced completely, at most 0.7. In the scripts chosen for it 70 %
            of the rows are replaced, so that they must be predicted from the text; the other scripts have none.
        aligned: also return the tensors that an `AttentionProbe` needs.
        multiple: text length and rows are padded to multiples of it, so that there are few different shapes.
    """

    channels: Channels
    text_dropout: float = TEXT_DROPOUT
    code_noise: float = 0.0
    row_noise: float = 0.0
    aligned: bool = False
    multiple: int = 8

    def __call__(self, scripts: Sequence[Script]) -> dict[str, Tensor]:
        """Pad scripts into one batch, on the right.

        Returns:
            `input_ids` and `attention_mask` [B, S]; `decoder_input_ids` [B, R, C], delayed; `decoder_attention_mask`
            [B, R]; `labels` [B · C, R], -100 where there is no loss. If `aligned`, also `places`, the byte being
            spoken in the frame each row predicts, and `place_weight` [B, R]. If all scripts have `other` texts, also
            their `swapped_input_ids` and `swapped_attention_mask` [B, S].
        """
        text, text_mask = self._text([script.ids for script in scripts])
        grid, mask = self._grid([grid_of(script.codes.long(), self.channels) for script in scripts])
        batch = {"input_ids": text, "attention_mask": text_mask, **training_pair(grid, mask, self.channels)}
        if any(script.history is not None for script in scripts):
            read = [script.codes if script.history is None else script.history for script in scripts]
            batch["decoder_input_ids"] = self._grid([grid_of(one.long(), self.channels) for one in read])[0][:, :-1]
        if self.aligned:
            batch.update(zip(ALIGNMENT, _alignment(scripts, mask.shape[1] - 1), strict=True))
        for row, script in enumerate(scripts):
            self._ignore_prompt(batch["labels"], row, script.prompt)
            if script.seed is not None:
                self._add_noise(batch, row, script.seed)
        others = [script.other for script in scripts if script.other is not None]
        if len(others) == len(scripts):
            batch.update(zip(SWAPPED, self._text(others), strict=True))
        return batch

    def _text(self, ids: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """Ids and mask, [B, S]."""
        text = torch.zeros(len(ids), _round_up(max(map(len, ids)), self.multiple), dtype=torch.long)
        mask = torch.zeros_like(text)
        for row, line in enumerate(ids):
            text[row, : len(line)] = torch.tensor(line)
            mask[row, : len(line)] = 1
        return text, mask

    def _grid(self, grids: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Grid [B, R + 1, C] and mask [B, R + 1]; the last row of a grid is a label, but never an input."""
        rows = 1 + _round_up(max(map(len, grids)) - 1, self.multiple)
        grid = torch.full((len(grids), rows, len(self.channels.pattern)), self.channels.pad)
        mask = torch.zeros(grid.shape[:2], dtype=torch.long)
        for row, one in enumerate(grids):
            grid[row, : len(one)] = one
            mask[row, : len(one) - 1] = 1
        return grid, mask

    def _ignore_prompt(self, labels: Tensor, row: int, frames: int) -> None:
        channels = len(self.channels.pattern)
        for channel, delay in enumerate(self.channels.pattern if frames else ()):
            labels[row * channels + channel, : delay + frames] = IGNORED

    def _add_noise(self, batch: dict[str, Tensor], row: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        if torch.rand((), generator=generator) < self.text_dropout:
            batch["input_ids"][row] = 0
            if self.aligned:
                batch["place_weight"][row] = 0
        if not (self.code_noise or self.row_noise):
            return
        rows = int(batch["decoder_attention_mask"][row].sum())
        inputs = batch["decoder_input_ids"][row, :rows]  # [R, C]
        noise = torch.rand(inputs.shape, generator=generator) < self.code_noise
        read = torch.rand((), generator=generator) < self.row_noise / _REPLACED
        noise |= read & (torch.rand(rows, 1, generator=generator) < _REPLACED)
        random_codes = torch.randint(0, self.channels.eos, inputs.shape, generator=generator)
        inputs[:] = torch.where(noise & (inputs < self.channels.eos), random_codes, inputs)


def grid_of(codes: Tensor, channels: Channels) -> Tensor:
    """Codes [T, C] → the delayed grid [T + 2 + largest delay, C], with BOS before the frames and EOS after them.

    With three channels delayed by 0, 1, 2, `_` for BOS, `$` for EOS and `.` for PAD:

        a0 b0 c0        _  _  _
        a1 b1 c1   →    a0 _  _
                        a1 b0 _
                        $  b1 c0
                        .  $  c1
                        .  .  $
    """
    return prefill([codes], 0, channels, closed=True)[0][0]


def _alignment(scripts: Sequence[Script], rows: int) -> tuple[Tensor, Tensor]:
    """The byte being spoken in the frame that each row predicts, and weights of 1 for these rows, [B, R] each."""
    places, weight = torch.zeros(len(scripts), rows), torch.zeros(len(scripts), rows)
    for row, script in enumerate(scripts):
        frames = len(script.codes)
        places[row, :frames], places[row, frames] = script.places, len(script.ids) - 1
        weight[row, : frames + 1] = 1
    return places, weight


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


__all__ = ["DiaCollator"]
