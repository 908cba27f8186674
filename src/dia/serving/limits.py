"""All limits of the server, each with its reason. Shared by all protocols."""

from dataclasses import dataclass

from dia.runtime.ranges import Range

# OpenAI's range.
SPEED = Range(0.25, 4)
# Telephones use 8 kHz; above 48 kHz, players resample.
SAMPLE_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# Clients of OpenAI's API read pcm at this rate.
PCM_RATE = 24_000
# A request that fails ten times does not fail because of its seed; each attempt takes as long as the request.
RETRIES = Range(0, 10, whole=True)
# The takes of a part run side by side, so each of them takes a slot from other clients, and a place in the queue.
BEST_OF = Range(1, 8, whole=True)
# A model has two speakers, so there is nothing to choose from in a list longer than a dialogue has turns.
TURNS = 1_000
# An item is one request; a client that has more sends more batches.
BATCH_ITEMS = 64
# Names of models and voices are file names or Hub ids.
NAME_CHARACTERS = 200
# A statement such as "Ann Lee, agreed in writing on 3 May"; it is stored in the voice file.
CONSENT_CHARACTERS = 1_000
# A recording of a voice has at most 20 s of speech, with some silence around it.
RECORDING_SECONDS = 30.0
# The words of such a recording: 20 s of hurried speech have 500 characters.
TRANSCRIPT_CHARACTERS = 2_000
# What OpenAI accepts for a recording of a voice.
RECORDING_BYTES = 10 * 2**20
# Bytes of an answer that are read and sent at once: 1.4 s of pcm at 24 kHz.
SLICE_BYTES = 64 * 2**10
# An event of the Wyoming protocol: 20 000 characters, of which JSON may write each with 12 bytes.
EVENT_BYTES = 256 * 2**10
# A text whose audio is part of an answer of MCP: two minutes, or 2 MB in base64, which stay in the conversation.
ANSWER_CHARACTERS = 2_000
# Requests of one Wyoming connection that wait for the one before them. Clients send one and read its audio.
REQUESTS_AHEAD = 8
# That a thread may keep the interpreter from the engine, which needs it between two calls of its kernels. Python's
# own 5 ms are half a step of the embedded model: with 64 clients, 22 seconds of audio a second instead of 26.
SWITCH_SECONDS = 0.0005


@dataclass(frozen=True)
class Limits:
    """The limits that an operator may want to change.

    Attributes:
        input_characters: of a script. OpenAI allows 4096; 20 000 are about 20 minutes of speech.
        body_bytes: of a request: a recording in base64 (14 MiB) and a script.
        body_seconds: to send a body; a recording takes 12 s at 10 Mbit/s.
        bodies_bytes: of all bodies that are received or in use at once; more are refused with 503.
        waiting: requests that wait for a slot; more are refused with 429.
        wait_seconds: for a slot; a client that waits longer has given up.
        stream_seconds: from the start of a response to its end, however slow its reader is.
        reader_seconds: in which a reader takes a second or more of audio; a player that is not paused takes more.
        buffer_bytes: of audio that is ready and not read: 3 minutes of pcm at 24 kHz. Then generation waits.
        stall_seconds: a full buffer may stop generation for so long; then the stream ends with an error.
        answer_bytes: of the audio of an answer that is sent as a whole, in JSON; 128 MiB are 25 minutes of wav at
            44.1 kHz. Streams need no such limit.
        open_requests: at once, those included that only wait for a slow reader.
        connections: open at once, whether they send a request or not. With more, the oldest one without a request
            is closed; a process may have more files open than these, see `dia.serving.http.protocol`.
        header_seconds: for the first request of a connection.
        idle_seconds: that a Wyoming connection may be silent while it waits for no speech.
        prepared: requests whose scripts and recordings are read at once.
    """

    input_characters: int = 20_000
    body_bytes: int = 16 * 2**20
    body_seconds: float = 60.0
    bodies_bytes: int = 256 * 2**20
    waiting: int = 64
    wait_seconds: float = 60.0
    stream_seconds: float = 1_800.0
    reader_seconds: float = 120.0
    buffer_bytes: int = 8 * 2**20
    stall_seconds: float = 30.0
    answer_bytes: int = 128 * 2**20
    open_requests: int = 1_024
    connections: int = 4_096
    header_seconds: float = 30.0
    idle_seconds: float = 300.0
    prepared: int = 2


__all__ = [
    "ANSWER_CHARACTERS",
    "BATCH_ITEMS",
    "BEST_OF",
    "CONSENT_CHARACTERS",
    "EVENT_BYTES",
    "NAME_CHARACTERS",
    "PCM_RATE",
    "RECORDING_BYTES",
    "RECORDING_SECONDS",
    "REQUESTS_AHEAD",
    "RETRIES",
    "SAMPLE_RATES",
    "SLICE_BYTES",
    "SPEED",
    "SWITCH_SECONDS",
    "TRANSCRIPT_CHARACTERS",
    "TURNS",
    "Limits",
]
