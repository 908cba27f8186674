"""Collects the outputs for `return_dict_in_generate`. Independent of the loop."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from transformers import GenerationConfig
from transformers.generation import GenerateEncoderDecoderOutput
from transformers.modeling_outputs import BaseModelOutput

from dia.decoding.cache import CACHE


@dataclass
class Records:
    """The requested outputs, one entry per row.

    Args:
        settings: the settings of the call.
    """

    settings: GenerationConfig
    scores: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    decoder_attentions: list[Any] = field(default_factory=list)
    cross_attentions: list[Any] = field(default_factory=list)
    decoder_hidden_states: list[Any] = field(default_factory=list)

    def add(self, outputs: Any, logits: Tensor, scores: Tensor) -> None:
        """Record the requested outputs of a row: the model's outputs, and logits before and after the rules."""
        settings = self.settings
        if not settings.return_dict_in_generate:
            return
        if settings.output_scores:
            self.scores.append(scores)
        if settings.output_logits:
            self.logits.append(logits)
        if settings.output_attentions:
            self.decoder_attentions.append(outputs.decoder_attentions)
            self.cross_attentions.append(outputs.cross_attentions)
        if settings.output_hidden_states:
            self.decoder_hidden_states.append(outputs.decoder_hidden_states)

    def output(self, sequences: Tensor, prefilled: int, text: BaseModelOutput, cache: Any) -> Any:
        """The grids [B, R, C], or an output object with `return_dict_in_generate`.

        Args:
            sequences: the grids.
            prefilled: number of prompt rows.
            text: the encoder's output.
            cache: keys and values of all rows but the last.
        """
        settings, rows = self.settings, sequences.shape[1] - prefilled
        if not settings.return_dict_in_generate:
            return sequences

        def of_rows(entries: list[Any]) -> tuple[Any, ...] | None:
            return tuple(entries[:rows]) if entries else None

        return GenerateEncoderDecoderOutput(
            sequences=sequences,
            scores=of_rows(self.scores),
            logits=of_rows(self.logits),
            encoder_attentions=text.attentions if settings.output_attentions else None,
            encoder_hidden_states=text.hidden_states if settings.output_hidden_states else None,
            decoder_attentions=of_rows(self.decoder_attentions),
            cross_attentions=of_rows(self.cross_attentions),
            decoder_hidden_states=of_rows(self.decoder_hidden_states),
            **{CACHE: cache},
        )


def records_anything(settings: GenerationConfig) -> bool:
    """Whether outputs other than the codes and the cache are requested."""
    wanted = settings.output_scores, settings.output_logits, settings.output_attentions, settings.output_hidden_states
    return bool(settings.return_dict_in_generate and any(wanted))


__all__ = ["Records", "records_anything"]
