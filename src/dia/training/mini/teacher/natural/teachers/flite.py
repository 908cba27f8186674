"""flite as one of the teachers. It tells no labels."""

from dia.audio.waveform import full_scale
from dia.training.mini.teacher import voices
from dia.training.mini.teacher.natural.teachers.teacher import Speech, checked_voice


class FliteTeacher:
    """flite's four voices; a variant such as `rms*0.86` is named as in `teacher.voices`."""

    voices = tuple(voices.BASES)

    def say(self, text: str, voice: str, tempo: float = 1.0) -> Speech:
        """See `Teacher.say`.

        Raises:
            FileNotFoundError: flite is not installed.
        """
        checked_voice(voice.partition("*")[0], self.voices)
        spoken = voices.words(text, voices.voice_of(voice), tempo)
        return Speech(full_scale(spoken), voices.SAMPLING_RATE)
