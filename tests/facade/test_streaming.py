"""Streamed audio equals the audio of `generate`, arrives early, and closing the stream stops generation."""

import contextlib
import gc
import sys
import threading
from threading import Thread
from weakref import ref

import numpy as np
import pytest
import torch
from forks import ended, forked
from tiny import EOS, PATTERN, PLAIN, prompts, texts, threads_left, tiny_model
from tiny_codec import RATE, random_codes, tiny_codec, tiny_processor
from tiny_speech import tiny_speech
from transformers import GenerationConfig, LogitsProcessorList

from dia.codec import dac as codec
from dia.model import Dia
from dia.streaming import DiaAudioStreamer
from dia.synthesis.stream import stream
from dia.synthesis.synthesizer import Synthesizer

FRAMES = 30
FIRST = RATE // 40 // 10  # frames of the first window, a tenth of a second
WAYS = {"fast step": {}, "plain loop": PLAIN}


@pytest.fixture(scope="module")
def processor():
    return tiny_processor(tiny_codec((2, 4, 5)))


@pytest.fixture(scope="module")
def speaker():
    """Never ends on its own."""
    model = tiny_model()
    model.logits_dense.weight.data[EOS] = 0
    model.generation_config = GenerationConfig(do_sample=True, temperature=1.2, max_length=50)
    return model


@pytest.fixture(scope="module")
def ending_model():
    """Ends on its own after a while."""
    model = tiny_model()
    model.logits_dense.weight.data[EOS] *= 2.5
    return model


@pytest.fixture(scope="module")
def synthesizer(speaker, processor):
    return Synthesizer(speaker, processor)


@pytest.fixture
def rows(monkeypatch):
    """Counts the rows that streamers receive, including the prompt's grid."""
    taken, put = [], DiaAudioStreamer.put

    def counting(self, value):
        taken.append(value)
        put(self, value)

    monkeypatch.setattr(DiaAudioStreamer, "put", counting)
    return taken


def streamed(model, processor, windows, **inputs):
    """The streamed chunks, and the whole grid."""
    streamer = DiaAudioStreamer(processor, *windows, timeout=60)
    grids = []
    thread = Thread(target=lambda: grids.append(model.generate(**inputs, streamer=streamer)))
    thread.start()
    chunks = list(streamer)
    thread.join()
    return chunks, grids[0]


def needed(processor, window):
    """Number of rows after the prompt until the first chunk is final."""
    return window + codec.decode_context(processor.audio_tokenizer)[1] + max(PATTERN)


def hop(processor):
    return codec.hop_length(processor.audio_tokenizer.config)


@pytest.mark.parametrize("windows", [(1, 1), (2, 8), (7, 7), (1000, 1000), ()])
def test_streamed_audio_equals_batch_audio(speaker, processor, windows):
    inputs = {**texts(9), **prompts(0), "max_new_tokens": FRAMES}
    chunks, grid = streamed(speaker, processor, windows, **inputs)
    whole = processor.decode(grid)
    assert len(whole) > 20 * hop(processor)
    torch.testing.assert_close(torch.cat(chunks), whole, atol=1e-5, rtol=1e-5)
    assert (len(chunks) > 1) == (windows in [(1, 1), (2, 8), (7, 7)])


def test_a_codec_in_half_precision_streams_what_it_decodes(speaker):
    halved = tiny_processor(tiny_codec((2, 4, 5)))
    halved.codec_dtype = torch.bfloat16
    chunks, grid = streamed(speaker, halved, (3, 9), **texts(9), **prompts(0), max_new_tokens=FRAMES)
    torch.testing.assert_close(torch.cat(chunks), halved.decode(grid), atol=1e-2, rtol=1e-2)


def test_windows_grow_by_half_up_to_the_largest(speaker, processor):
    chunks, _ = streamed(speaker, processor, (4, 10), **texts(9), **prompts(0), max_new_tokens=58)
    frames = [len(chunk) / hop(processor) for chunk in chunks]
    assert [round(number) for number in frames[1:5]] == [6, 9, 10, 10]
    assert 4 <= frames[0] < 5


def test_speech_that_ends_on_its_own(ending_model, processor):
    inputs = {**texts(4), **prompts(0), "max_new_tokens": 50}
    chunks, grid = streamed(ending_model, processor, (3, 3), **inputs)
    assert grid.shape[1] < 51
    torch.testing.assert_close(torch.cat(chunks), processor.decode(grid), atol=1e-5, rtol=1e-5)


def test_speech_cut_off_before_its_end(speaker, processor):
    inputs = {**texts(9), **prompts(0), "max_new_tokens": FRAMES}
    cut = {"stopping_criteria": [lambda ids, _: torch.full((ids.shape[0],), ids.shape[1] >= 17)]}
    chunks, grid = streamed(speaker, processor, (4, 4), **inputs, **cut)
    assert grid.shape[1] == 17
    torch.testing.assert_close(torch.cat(chunks), processor.decode(grid), atol=1e-5, rtol=1e-5)


def test_the_prompt_is_skipped(speaker, processor):
    inputs = {**texts(9), **prompts(6), "max_new_tokens": FRAMES}
    chunks, grid = streamed(speaker, processor, (5, 5), **inputs)
    rows = processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
    torch.testing.assert_close(torch.cat(chunks), processor.decode(grid, rows), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_the_first_chunk_comes_with_the_row_that_makes_it_final(speaker, processor, window):
    grid = speaker.generate(**texts(9), **prompts(0), max_new_tokens=FRAMES)
    streamer = DiaAudioStreamer(processor, window, timeout=0)
    streamer.put(grid[:, :1])
    last = needed(processor, window)
    for row in grid[:, 1:last].unbind(1):
        streamer.put(row)
    with pytest.raises(TimeoutError, match="no audio for"):
        next(streamer)
    streamer.put(grid[:, last])
    assert window <= len(next(streamer)) / hop(processor) < window + 1


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_streamed_one_at_a_time(speaker, processor, way):
    drawn, seen = [], []

    class Watched(DiaAudioStreamer):
        def put(self, value):
            super().put(value)
            drawn.append(tuple(value.shape))
            seen.append(self._chunks.qsize())

    streamer = Watched(processor, 2)
    speaker.generate(**texts(9), **prompts(0), max_new_tokens=FRAMES, streamer=streamer, **WAYS[way])
    assert drawn == [(1, 1, len(PATTERN))] + [(1, len(PATTERN))] * FRAMES
    assert seen.index(1) == needed(processor, 2), "the prompt is number 0"


def test_streamed_rows_are_not_modified_later(speaker, processor, rows):
    inputs = {**texts(9), **prompts(0), "max_new_tokens": FRAMES}
    _, grid = streamed(speaker, processor, (), **inputs)
    speaker.generate(**inputs)
    assert torch.equal(torch.cat([rows[0], torch.stack(rows[1:], dim=1)], dim=1), grid)


def test_no_speech_gives_an_empty_stream(processor):
    streamer = DiaAudioStreamer(processor)
    streamer.put(prompts(0)["decoder_input_ids"][:, :1])
    streamer.end()
    assert list(streamer) == []


def test_an_error_in_the_generating_thread_is_raised_by_the_iteration(speaker, processor):
    streamer = DiaAudioStreamer(processor, timeout=60)
    with pytest.raises(ValueError, match="supports one clip, but the batch has 2"):
        speaker.generate(**texts(9, 4), **prompts(0, 0), max_new_tokens=FRAMES, streamer=streamer)
    with pytest.raises(ValueError, match="supports one clip, but the batch has 2"):
        list(streamer)
    assert list(streamer) == [], "an error is raised once"


def test_a_streamer_can_be_used_for_one_call_only(speaker, processor):
    streamer = DiaAudioStreamer(processor)
    inputs = {**texts(9), **prompts(0), "max_new_tokens": FRAMES}
    speaker.generate(**inputs, streamer=streamer)
    with pytest.raises(ValueError, match="create a new one for every call"):
        speaker.generate(**inputs, streamer=streamer)
    assert torch.cat(list(streamer)).isfinite().all()


@pytest.mark.parametrize("way", WAYS)
def test_a_closed_streamer_ends_generation_at_the_next_row(speaker, processor, rows, way):
    class Leaving(DiaAudioStreamer):
        def put(self, value):
            super().put(value)
            if len(rows) == 8:
                self.close()

    streamer = Leaving(processor)
    grid = speaker.generate(**texts(9), **prompts(0), max_new_tokens=FRAMES, streamer=streamer, **WAYS[way])
    assert grid.shape[1] == len(rows) == 8
    assert list(streamer) == []


def test_who_closes_before_the_first_row_is_asked_for_nothing(speaker, processor, rows):
    streamer = DiaAudioStreamer(processor)
    streamer.close()
    assert speaker.generate(**texts(9), **prompts(0), max_new_tokens=FRAMES, streamer=streamer).shape[1] == 1
    assert len(rows) == 1


def test_leaving_a_loop_closes_and_next_does_not(processor):
    streamer = DiaAudioStreamer(processor, 2)
    streamer.put(prompts(0)["decoder_input_ids"][:, :1])
    for row in random_codes(40)[0]:
        streamer.put(row[None])
    next(streamer)
    assert not streamer.closed
    for _ in streamer:
        break
    assert streamer.closed


def test_a_stream_equals_generate_with_the_same_seed(synthesizer):
    prompt = random_codes(5)[0]
    pieces = list(stream(synthesizer, "[S1] Hi.", prompt, 3, {"max_length": 45}))
    whole = synthesizer(["[S1] Hi."], [prompt], [3], {"max_length": 45})[0]
    assert len(pieces) > 1
    assert {piece.dtype for piece in pieces} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.concatenate(pieces), synthesizer.sound(whole.codes), atol=1e-5)


def test_a_stream_returns_what_was_spoken(synthesizer):
    def listening():
        spoken.append((yield from stream(synthesizer, "[S1] Hi.", seed=3)))

    spoken = []
    sound = np.concatenate(list(listening()))
    np.testing.assert_allclose(sound, synthesizer.sound(spoken[0].codes), atol=1e-5)
    assert not spoken[0].ended


def leave_the_loop(pieces):
    for _ in pieces:
        break


def close_it(pieces):
    next(pieces)
    pieces.close()


def forget_it(pieces):
    next(pieces)


def raise_in_the_loop(pieces):
    with contextlib.suppress(RuntimeError):
        for _ in pieces:
            raise RuntimeError("no headphones")


@pytest.fixture
def held(monkeypatch):
    """After the first chunk, generation waits for the consumer."""
    decided, put, close = threading.Event(), DiaAudioStreamer.put, DiaAudioStreamer.close

    def waiting(self, value):
        put(self, value)
        if self._read:
            assert decided.wait(20)

    monkeypatch.setattr(DiaAudioStreamer, "put", waiting)
    monkeypatch.setattr(DiaAudioStreamer, "close", lambda self: (close(self), decided.set()))


@pytest.mark.parametrize("leave", [leave_the_loop, close_it, forget_it, raise_in_the_loop])
def test_closing_a_stream_stops_generation_within_a_row(synthesizer, held, rows, monkeypatch, leave):
    made, init = [], DiaAudioStreamer.__init__
    monkeypatch.setattr(
        DiaAudioStreamer, "__init__", lambda self, *a, **k: (init(self, *a, **k), made.append(ref(self)))[0]
    )
    gc.collect()
    gc.disable()
    try:
        leave(stream(synthesizer, "[S1] Hi.", seed=3))
        assert threads_left() == []
        assert made[0]() is None, "the streamer is freed without the garbage collector"
    finally:
        gc.enable()
    assert len(rows) == 1 + needed(synthesizer.processor, FIRST)


def test_a_stream_starts_when_the_first_chunk_is_requested(synthesizer, rows):
    pieces = stream(synthesizer, "[S1] Hi.")
    assert threads_left() == []
    pieces.close()
    assert rows == []


def test_errors_of_the_other_thread_are_raised_here(synthesizer):
    class Fails:
        def __call__(self, ids, scores):
            if ids.shape[1] > 48:
                raise RuntimeError("out of memory")
            return scores

    pieces = stream(synthesizer, "[S1] Hi.", seed=3, settings={"logits_processor": LogitsProcessorList([Fails()])})
    assert len(next(pieces))
    with pytest.raises(RuntimeError, match="out of memory"):
        list(pieces)
    assert threads_left() == []
    with pytest.raises(ValueError, match="48"):
        next(stream(synthesizer, "[S1] " + "a" * 100))


def test_waiting_too_long_is_a_timeout_error(synthesizer):
    held = threading.Event()

    class Hangs:
        def __call__(self, ids, scores):
            held.wait(20)
            return scores

    pieces = stream(
        synthesizer, "[S1] Hi.", settings={"logits_processor": LogitsProcessorList([Hangs()])}, timeout=0.05
    )
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        next(pieces)
    held.set()
    assert threads_left() == []


def test_two_streams_at_once_do_not_disturb_each_other(synthesizer):
    alone = [np.concatenate(list(stream(synthesizer, "[S1] Hi.", seed=seed))) for seed in (1, 2)]
    one, other = (stream(synthesizer, "[S1] Hi.", seed=seed) for seed in (1, 2))
    pieces = [(next(one, None), next(other, None)) for _ in range(20)]
    for seed in (0, 1):
        together = np.concatenate([pair[seed] for pair in pieces if pair[seed] is not None])
        np.testing.assert_allclose(together, alone[seed], atol=1e-5)


def test_a_processor_without_a_codec_is_refused():
    with pytest.raises(ValueError, match="needs a codec, but the processor has none"):
        DiaAudioStreamer(tiny_processor())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"first_frames": 0}, ValueError, "first_frames=0"),
        ({"most_frames": -1}, ValueError, "most_frames=-1"),
        ({"first_frames": 9, "most_frames": 8}, ValueError, "must be at least"),
        ({"first_frames": 2.5}, TypeError, "first_frames is 2.5"),
        ({"most_frames": True}, TypeError, "most_frames is True"),
        ({"timeout": "soon"}, TypeError, "timeout is 'soon'"),
        ({"timeout": -1}, ValueError, "timeout=-1"),
        ({"timeout": float("nan")}, ValueError, "timeout=nan"),
    ],
)
def test_invalid_windows_and_timeouts_are_refused(processor, arguments, error, message):
    with pytest.raises(error, match=message):
        DiaAudioStreamer(processor, **arguments)


def test_the_embedded_model_streams_without_a_click_at_any_join():
    dia = Dia.from_pretrained("mini", device="cpu")
    options = {"max_tokens": 110, "seed": 7}
    pieces = list(dia.stream("[S1] Thank you for the music.", **options))
    sound, joins = np.concatenate(pieces), np.cumsum([len(piece) for piece in pieces])[:-1]
    assert len(joins) > 1
    np.testing.assert_allclose(sound, dia.generate("[S1] Thank you for the music.", **options), atol=1e-4)
    bends = np.abs(np.diff(sound, 2))
    at_joins = np.concatenate([bends[join - 3 : join + 2] for join in joins])
    assert at_joins.max() <= np.delete(bends, [join + shift for join in joins for shift in range(-3, 2)]).max()


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)
def test_a_stream_of_the_parent_raises_in_a_fork_which_can_start_its_own(settings):
    synthesizer = tiny_speech(ends=0.0, max_length=1500)
    chunks = stream(synthesizer, "[S1] Hi.", None, 1, settings)
    next(chunks)

    def speak():
        with pytest.raises(RuntimeError, match="the process was forked"):
            next(chunks)
        own = stream(synthesizer, "[S1] Hi.", None, 1, settings, 20.0)
        assert len(next(own))
        own.close()

    assert ended(forked(speak, seconds=60)) == 0
    chunks.close()
