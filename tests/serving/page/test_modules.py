"""Modules of the page by themselves. They run in the browser, since nothing else here runs JavaScript."""

import numpy as np
import pytest

from dia.audio.playback import wav_header

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def unit(chromium, address):
    """Evaluates a function body with a module `m`."""
    page = chromium.new_context().new_page()
    page.goto(f"{address}/page/icon.svg")
    yield lambda module, body, given=None: page.evaluate(
        f"async (given) => {{ const m = await import('/page/{module}'); {body} }}", given
    )
    page.context.close()


def test_a_spectrum_is_that_of_numpy(unit):
    samples = np.random.default_rng(0).standard_normal(64)
    found = unit("audio/fft.js", "return [...m.spectrumOf(64)(given)]", samples.tolist())
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    np.testing.assert_allclose(found, np.abs(np.fft.rfft(samples * window))[:32], rtol=1e-4, atol=1e-5)


def test_a_wav_file_is_read_in_pieces_of_any_size(unit):
    samples = np.arange(-500, 500, dtype="<i2") * 60
    content = wav_header(16_000, "odd") + samples.tobytes()
    body = """
        const reader = new m.WavReader(), found = [];
        for (let at = 0; at < given.bytes.length; at += given.size) {
          found.push(...reader.push(Uint8Array.from(given.bytes.slice(at, at + given.size))));
        }
        const file = new Uint8Array(await reader.file().arrayBuffer());
        return [found, reader.rate, [...file]];
    """
    for size in (1, 7, 46, 2000):
        found, rate, file = unit("audio/wav.js", body, {"bytes": list(content), "size": size})
        assert (rate, (np.array(found) * 32768).round().astype(int).tolist()) == (16_000, samples.tolist())
        whole = bytes(file)
        assert int.from_bytes(whole[4:8], "little") == len(content) - 8
        assert int.from_bytes(whole[-2004:-2000], "little") == 2000
        assert whole[8:-2004] == content[8:-2004]


def test_events_are_read_in_pieces_of_any_size(unit):
    body = """
        const bytes = new TextEncoder().encode('data: {"a": "é"}\\n\\ndata: {"b": 2}\\n\\n');
        const stream = new ReadableStream({
          start(controller) {
            for (let at = 0; at < bytes.length; at += given) controller.enqueue(bytes.slice(at, at + given));
            controller.close();
          },
        });
        const found = [];
        for await (const event of m.events(new Response(stream))) found.push(event);
        return found;
    """
    for size in (1, 2, 13, 100):
        assert unit("server/events.js", body, size) == [{"a": "é"}, {"b": 2}]


NAMES = ("turn_index", "speaker", "text", "start", "end", "estimated_seconds", "pause_seconds")
TURNS = [
    dict(zip(NAMES, values, strict=True))
    for values in [
        (0, "S1", "🎉 a", 5, 8, 1, 0.5),
        (0, "S1", "b", 9, 10, 1, 0),
        (1, "S2", "c", 16, 17, 2, 0),
        (2, "S1", "d", 23, 24, 1, 0),
    ]
]
GROUPED = "const turns = m.estimatedTurns(m.groupedTurns(given, '[S1] 🎉 a b\\n[S2] c [S1] d'));"


def test_turns_that_a_pause_divides_are_one_and_positions_are_those_of_a_text_area(unit):
    found = unit("takes/turns.js", f"{GROUPED} return turns", TURNS)
    assert [(turn["text"], turn["start"], turn["end"], turn["range"]) for turn in found] == [
        ("🎉 a b", 0, 2.5, [5, 11]),
        ("c", 2.5, 4.5, [17, 18]),
        ("d", 4.5, 5.5, [24, 25]),
    ]


def test_finished_turns_have_their_times_and_the_others_follow(unit):
    finished = [("S1", 0.1, 0.8), ("S1", 1.2, 2.0)], [("S1", 0.1, 0.8), ("S1", 1.2, 2.0), ("S2", 2.1, 3.0)]
    for spoken, expected in zip(finished, ([(0.1, 2.0), (2.0, 4.0)], [(0.1, 2.0), (2.1, 3.0)]), strict=True):
        events = [{"speaker": who, "start_seconds": start, "end_seconds": end} for who, start, end in spoken]
        body = f"{GROUPED} return m.finishedTurns(turns, {events})"
        found = unit("takes/turns.js", body, TURNS)
        assert [(turn["start"], turn["end"]) for turn in found[:2]] == expected
        assert found[2]["start"] == expected[1][1]


def test_the_turn_at_a_time_is_the_last_that_has_begun(unit):
    body = f"{GROUPED} return [-1, 0, 2.4, 2.5, 5, 99].map((time) => m.turnAt(turns, time))"
    assert unit("takes/turns.js", body, TURNS) == [-1, 0, 0, 1, 2, 2]


def test_a_buffer_is_full_when_the_source_gets_it(unit):
    body = """
        const { Clip } = await import("/page/audio/clip.js");
        const loudest = [], nodes = AudioBufferSourceNode.prototype;
        const own = Object.getOwnPropertyDescriptor(nodes, "buffer");
        Object.defineProperty(nodes, "buffer", { ...own, set(buffer) {
          loudest.push(Math.max(...buffer.getChannelData(0)));
          own.set.call(this, buffer);
        } });
        const clip = new Clip(), player = new m.Player(clip);
        player.play();
        clip.append(new Float32Array(8000).fill(0.5), 16000);
        clip.end();
        player.pause();
        Object.defineProperty(nodes, "buffer", own);
        return loudest;
    """
    assert unit("audio/player.js", body) == [0.5]  # Firefox plays what is in it at this moment


def test_the_time_of_a_recording_begins_when_sound_arrives(unit):
    body = """
        const nodes = AnalyserNode.prototype, own = nodes.getFloatTimeDomainData, begun = performance.now();
        nodes.getFloatTimeDomainData = (samples) => samples.fill(performance.now() - begun > 1000 ? 0.5 : 0);
        const recorder = new m.Recorder(), shown = [];
        recorder.addEventListener("level", ({ detail }) => shown.push(detail));
        await recorder.start(60);
        while (performance.now() - begun < 1600) await new Promise((resolve) => setTimeout(resolve, 20));
        await recorder.stop();
        nodes.getFloatTimeDomainData = own;
        return shown;
    """
    shown = unit("audio/recorder.js", body)
    assert {one["seconds"] for one in shown if not one["level"]} == {0}
    assert 0.2 < shown[-1]["seconds"] < 0.7


def test_a_silent_recording_ends_by_itself_too(unit):
    body = """
        const nodes = AnalyserNode.prototype, own = nodes.getFloatTimeDomainData, begun = performance.now();
        nodes.getFloatTimeDomainData = (samples) => samples.fill(0);
        const recorder = new m.Recorder();
        let full = false;
        recorder.addEventListener("full", () => (full = true));
        await recorder.start(0.5);
        while (!full && performance.now() - begun < 5000) await new Promise((resolve) => setTimeout(resolve, 20));
        await recorder.stop();
        nodes.getFloatTimeDomainData = own;
        return full;
    """
    assert unit("audio/recorder.js", body)
