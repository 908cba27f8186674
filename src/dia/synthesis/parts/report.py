"""Describe a parsed script in lines of text, for `dia read` and the ComfyUI nodes. Does not import torch."""

from collections.abc import Iterator, Sequence

from dia.synthesis.parts.planning import Part
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script


def report_lines(
    script: Script, parts: Sequence[Part], warnings: Sequence[str], format: PromptFormat
) -> Iterator[str]:
    """Describe a script: its turns as written and as spoken, names, parts, estimated length and warnings.

    Args:
        script: the script.
        parts: its parts, see `dia.synthesis.parts.planning.plan_passes`.
        warnings: what to warn of.
        format: the prompt conventions of the model.

    Yields:
        Lines without their ends.
    """
    for turn in script.turns:
        yield f"{turn.speaker}  {turn.shown}"
        if turn.text != turn.shown:
            yield f"    spoken: {turn.text}"
        if turn.sounds:
            yield f"    sounds: {', '.join(turn.sounds)}"
        if turn.pause:
            yield f"    pause: {turn.pause:g} s"
        if turn.cue:
            yield f"    {turn.cue}: {turn.cue.start:g} s to {turn.cue.end:g} s"
    yield ""
    if script.names:
        yield f"names: {', '.join(f'{name} is {speaker}' for name, speaker in script.names.items())}"
        yield ""
    if len(parts) > 1:
        yield from (
            f"part {number}, about {part.script.seconds:.1f} s: {format.end_turns(part.script.spoken)}"
            for number, part in enumerate(parts, 1)
        )
        yield ""
    seconds = script.seconds + sum(turn.pause for turn in script.turns)
    if script.is_timed:
        seconds = max(turn.cue.end for turn in script.turns if turn.cue)
    yield f"about {seconds:.1f} s in {len(parts)} part{'s' if len(parts) > 1 else ''}"
    yield from (f"warning: {warning}" for warning in warnings)


__all__ = ["report_lines"]
