"""The nodes: they pass their inputs to `dia.Dia`, which checks them, and hand its results to ComfyUI.

ComfyUI calls `VALIDATE_INPUTS` before any node runs, so what needs no model is an error before the model loads. It
passes only values that are typed into the node; a linked input is missing or None.
"""

import re
from typing import Any

import numpy as np
import torch

from dia import Dia
from dia.checkpoints.placement import choose_device
from dia.checkpoints.source import check_checkpoint, local_folder
from dia.synthesis.parts.planning import plan_passes
from dia.synthesis.parts.report import report_lines
from dia.text import PromptFormat, parse
from dia.text.markup.formats import TEXT_FORMATS, TextFormat
from dia.voices import Voice
from dia.voices.description import check_consent, checked_transcript
from dia.voices.library import check_voices, parse_voice_option, voice_file

from .progress import watched

NOTICE = (
    "Dia speaks with any voice that it is given. These uses are strictly forbidden: producing audio that misuses a "
    "real person's identity without their consent; generating deceptive or misleading content, such as fake news; any "
    "use that is illegal or intended to cause harm."
)

_MODEL, _VOICE, _CATEGORY = "DIA_MODEL", "DIA_VOICE", "audio/Dia"
_DEFAULT = -1.0  # in place of None, which a number in ComfyUI cannot be

Input = tuple[Any, ...]
Inputs = dict[str, dict[str, Input]]

_SCRIPT: Input = (
    "STRING",
    {
        "multiline": True,
        "dynamicPrompts": False,
        "default": "[S1] Did you hear that? (laughs) [S2] Yes, I did.",
        "tooltip": "What is said. [S1] and [S2], or names as in JOHN: Hi., mark the turns of two speakers.",
    },
)
_FORMAT: Input = (list(TEXT_FORMATS), {"default": "plain", "tooltip": "How the script is written."})
_NORMALIZE: Input = ("BOOLEAN", {"default": True, "tooltip": "Expand numbers, dates and abbreviations to words."})
_NAME: Input = ("STRING", {"default": "mini", "tooltip": "A folder, a Hub id, or mini, the small embedded model."})


class DiaLoadModel:
    """Loads a model. ComfyUI keeps it as long as the inputs of the node stay the same."""

    CATEGORY, FUNCTION = _CATEGORY, "load"
    RETURN_TYPES, RETURN_NAMES = (_MODEL,), ("model",)
    DESCRIPTION = "Load a Dia model: the small embedded one, a folder, or a model on the Hugging Face Hub."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        device = {"default": "auto", "tooltip": "auto, cuda, cuda:1, mps, cpu, …; auto is the first available."}
        weights = {"default": "none", "tooltip": "Weights of 8 or 4 bits need less memory and are faster on CPUs."}
        quantization = (["none", "int8", "int4"], weights)
        return {"required": {"model_name": _NAME, "device": ("STRING", device), "quantization": quantization}}

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str | None = None, device: str | None = None) -> bool | str:
        """Whether the model and the device exist, or what is wrong."""
        return _first_error((check_checkpoint, model_name), (choose_device, None if device == "auto" else device))

    def load(self, model_name: str, device: str, quantization: str) -> tuple[Dia]:
        """Load the model; errors are those of `Dia.from_pretrained`."""
        options = {"device": _optional(device, "auto"), "quantization": _optional(quantization, "none")}
        return (Dia.from_pretrained(model_name, **options),)


class DiaSay:
    """Speaks a script."""

    CATEGORY, FUNCTION = _CATEGORY, "say"
    RETURN_TYPES, RETURN_NAMES = ("AUDIO", "STRING"), ("audio", "script")
    OUTPUT_TOOLTIPS = ("The speech, of one channel.", "The script as it is read: a turn a line, numbers as words.")
    DESCRIPTION = f"Speak a script of any length, with up to two speakers. {NOTICE}"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        own = {"default": _DEFAULT, "min": _DEFAULT, "max": 100.0, "step": 0.05, "round": False}
        seed = {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}
        temperature = own | {"tooltip": "Higher varies more; 0 is greedy; -1 is the model's setting."}
        guidance = own | {"tooltip": "Higher follows the text more closely; 0 is off; -1 is the model's setting."}
        voice = {"default": "", "tooltip": "A saved voice: clara, a file, or S1=clara, S2=bruno. Empty: by the seed."}
        rate = {"default": 1.0, "min": 0.5, "max": 2.0, "step": 0.05, "tooltip": "Speed, at constant pitch."}
        required: dict[str, Input] = {"model": (_MODEL,), "script": _SCRIPT, "seed": ("INT", seed)}
        required |= {"temperature": ("FLOAT", temperature), "guidance": ("FLOAT", guidance)}
        required |= {"voice_name": ("STRING", voice), "speaking_rate": ("FLOAT", rate)}
        required |= {"text_format": _FORMAT, "normalize": _NORMALIZE}
        return {"required": required, "optional": {"voice": (_VOICE,)}}

    @classmethod
    def VALIDATE_INPUTS(
        cls,
        script: str | None = None,
        text_format: TextFormat | None = None,
        normalize: bool | None = None,
        voice_name: str | None = None,
    ) -> bool | str:
        """Whether the script can be read and the voice exists, or what is wrong."""
        voices = None if voice_name is None else _voice_options(voice_name)
        return _first_error((check_voices, voices), (_check_script, script, text_format, normalize))

    @classmethod
    def IS_CHANGED(cls, voice_name: str | None = None, **_: Any) -> str:
        """When the files of the voices were written: a voice that was made anew is spoken anew."""
        given = parse_voice_option(_voice_options(voice_name or ""))
        names = given.values() if isinstance(given, dict) else [given] if given else []
        return " ".join(str(voice_file(one).stat().st_mtime_ns) for one in names)

    def say(
        self,
        model: Dia,
        script: str,
        seed: int,
        temperature: float,
        guidance: float,
        voice_name: str,
        speaking_rate: float,
        text_format: TextFormat,
        normalize: bool,
        voice: Voice | None = None,
    ) -> tuple[dict[str, Any], str]:
        """Speak the script; errors are those of `Dia.job` and `Dia.stream`.

        Returns:
            AUDIO, whose waveform is float32 [1, 1, N], and the script with a turn per line.
        """
        named = parse_voice_option(_voice_options(voice_name))
        if named is not None and voice is not None:
            raise ValueError("voice_name and voice are both given; clear voice_name, or disconnect voice.")
        job = model.job(
            script,
            seed=seed,
            temperature=_optional(temperature, _DEFAULT),
            cfg_scale=_optional(guidance, _DEFAULT),
            voice=named if voice is None else voice,
            speaking_rate=speaking_rate,
            text_format=text_format,
            normalize=normalize,
        )
        seconds = (job.script.seconds + sum(turn.pause for turn in job.script.turns)) / speaking_rate
        waveform = np.concatenate(list(watched(model.stream(job), model.sample_rate, seconds)))
        return {"waveform": torch.from_numpy(waveform)[None, None], "sample_rate": model.sample_rate}, str(job.script)


class DiaVoiceFromAudio:
    """Makes a voice from a recording."""

    CATEGORY, FUNCTION = _CATEGORY, "make"
    RETURN_TYPES, RETURN_NAMES = (_VOICE,), ("voice",)
    DESCRIPTION = f"Make a voice from a recording of 1 to 20 seconds, for Dia Say. {NOTICE}"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        words = {"multiline": True, "dynamicPrompts": False, "default": "", "placeholder": "[S1] What is said in it."}
        rights = {"default": "", "placeholder": "my own voice"}
        transcript = words | {"tooltip": "The exact words of the recording, as a script."}
        consent = rights | {"tooltip": "Whose voice it is, and why you may copy it, such as: my own voice"}
        required: dict[str, Input] = {"model": (_MODEL,), "audio": ("AUDIO",)}
        return {"required": required | {"transcript": ("STRING", transcript), "consent": ("STRING", consent)}}

    @classmethod
    def VALIDATE_INPUTS(cls, transcript: str | None = None, consent: str | None = None) -> bool | str:
        """Whether there are a transcript and a statement of consent, or what is wrong."""
        return _first_error((checked_transcript, transcript, "none"), (check_consent, consent))

    def make(self, model: Dia, audio: dict[str, Any], transcript: str, consent: str) -> tuple[Voice]:
        """Make the voice; errors are those of `Voice.from_audio`."""
        frontend = PromptFormat.of(model.model.generation_config).text_frontend
        made = Voice.from_audio(audio, transcript, processor=model.processor, consent=consent, text_frontend=frontend)
        return (made,)


class DiaReadScript:
    """Shows how a script is read, without loading a model."""

    CATEGORY, FUNCTION = _CATEGORY, "read"
    RETURN_TYPES, RETURN_NAMES = ("STRING", "STRING"), ("report", "script")
    OUTPUT_TOOLTIPS = ("Turns, parts, estimated length and warnings.", "The script as it is read, a turn a line.")
    DESCRIPTION = "Show how a script is read: its turns as written and as spoken, its length, and what is doubtful."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        name = ("STRING", _NAME[1] | {"tooltip": "The model that is to speak. Only its settings are read."})
        return {"required": {"script": _SCRIPT, "text_format": _FORMAT, "normalize": _NORMALIZE, "model_name": name}}

    @classmethod
    def VALIDATE_INPUTS(
        cls, script: str | None = None, text_format: TextFormat | None = None, normalize: bool | None = None
    ) -> bool | str:
        """Whether the script can be read, or what is wrong."""
        return _first_error((_check_script, script, text_format, normalize))

    def read(self, script: str, text_format: TextFormat, normalize: bool, model_name: str) -> tuple[str, str]:
        """Read the script as a model does; one that is not in a folder is taken to read as Dia-1.6B."""
        folder = local_folder(model_name, "generation_config.json")
        format = PromptFormat() if folder is None else PromptFormat.in_folder(folder)
        found = parse(script, frontend=format.text_frontend, normalize=normalize, text_format=text_format)
        lines = report_lines(found, plan_passes(found, format), found.warnings_for(format), format)
        return "\n".join(lines), str(found)


def _optional(value: Any, default: Any) -> Any:
    """The value for the facade, to which None is the default."""
    return None if value == default else value


def _voice_options(names: str) -> list[str]:
    """The parts of `S1=clara, S2=bruno`, for `parse_voice_option`; a comma elsewhere belongs to a path."""
    return re.split(r",\s*(?=[^,=/\\]+=)", names.strip()) if names.strip() else []


def _check_script(script: str, text_format: TextFormat | None, normalize: bool | None) -> None:
    """Reject a script that no model can read; the model's own settings are not known yet."""
    parse(script, frontend="none", normalize=normalize is not False, text_format=text_format or "plain")


def _first_error(*checks: tuple[Any, ...]) -> bool | str:
    """True, or the message of the first check that fails; a check of None is left out.

    Args:
        checks: a function, the value to check, and further arguments.
    """
    try:
        for check, *values in checks:
            if values[0] is not None:
                check(*values)
    except (TypeError, ValueError, OSError) as error:
        return str(error)
    return True


NODE_CLASS_MAPPINGS = {cls.__name__: cls for cls in (DiaLoadModel, DiaSay, DiaVoiceFromAudio, DiaReadScript)}
NODE_DISPLAY_NAME_MAPPINGS = {
    "DiaLoadModel": "Dia: load model",
    "DiaSay": "Dia: say",
    "DiaVoiceFromAudio": "Dia: voice from audio",
    "DiaReadScript": "Dia: read script",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
