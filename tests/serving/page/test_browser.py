"""The page in a browser: typing, hearing, recording, errors. Needs Chromium and Playwright."""

import io
from itertools import groupby

import numpy as np
import pytest
import soundfile
from chromium import Visit
from serving import wait_until

from dia.audio.files import decode

pytestmark = pytest.mark.browser

SCRIPT = "[S1] It costs $5. [S2] Good. [pause:200ms] Yes."
LONG = "\n".join(["[S1] The rain has stopped.", "[S2] The sun is out again."] * 30)


def speak(visit, script=SCRIPT, seed=7):
    visit.fill("#script", script)
    visit.evaluate(f"document.querySelector('[name=seed]').value = {seed}")
    visit.click("#speak")


def saved(visit, kind):
    with visit.expect_download() as download:
        visit.evaluate(f"document.querySelector('dia-take [data-kind={kind}]').click()")
    return download.value.suggested_filename, download.value.path().read_bytes()


# Typing


def test_the_example_is_there_and_one_click_makes_it_sound(visit):
    assert "[S2]" in visit.input_value("#script")
    visit.click("#speak")
    visit.until_take("player.level() > 0.01")


def test_what_is_typed_is_read_at_once(visit):
    visit.fill("#script", "[S1] It costs $5 on 3/4/2024. [pause:1s] Yes.")
    visit.until("document.querySelector('dia-reading .turns').textContent.includes('five dollars')")
    assert "pause of 1 s" in visit.inner_text("dia-reading .turns")
    assert "read with the month first" in visit.inner_text("dia-reading .warnings")
    visit.fill("#script", "Yes.")
    visit.until("document.querySelector('dia-reading .summary').textContent === 'About 1 second'")


def test_speakers_sounds_and_pauses_have_their_colors(visit):
    visit.fill("#script", "Well. [S2] (laughs) No. [pause:1s]\nS1: Ok (huh).")
    described = "(one) => [one.textContent, one.dataset.speaker, one.className]"
    pieces = visit.evaluate(f"[...document.querySelectorAll('.colors span')].map({described})")
    assert "".join(text for text, *_ in pieces) == visit.input_value("#script")
    marked = [(text.strip(), speaker, kind) for text, speaker, kind in pieces if kind]
    assert marked == [
        ("[S2]", "S2", "tag"),
        ("(laughs)", "S2", "sound"),
        ("[pause:1s]", "S2", "pause"),
        ("S1:", "S1", "tag"),
    ]
    visit.fill("#script", "JOHN: Hello.\nMARY: Hi.\nJOHN: Well?\nMARY: Yes.")
    visit.until("document.querySelectorAll('.colors .tag[data-speaker=S2]').length === 2")


def test_buttons_insert_marks_at_the_cursor_and_can_be_undone(visit):
    visit.fill("#script", "[S1] Yes.No.")
    visit.evaluate("document.querySelector('#script').setSelectionRange(9, 9)")
    visit.click("text=laughs")
    assert visit.input_value("#script") == "[S1] Yes. (laughs) No."
    visit.keyboard.press("Control+Z")
    assert visit.input_value("#script") == "[S1] Yes.No."
    visit.evaluate("document.querySelector('#script').setSelectionRange(12, 12)")
    visit.click(".tools [data-speaker=S2]")
    assert visit.input_value("#script") == "[S1] Yes.No.\n[S2] "


def test_a_draft_survives_a_reload(visit):
    visit.fill("#script", "[S1] A draft.")
    visit.reload()
    visit.until("!document.querySelector('#speak').disabled")
    assert visit.input_value("#script") == "[S1] A draft."


# Hearing


@pytest.fixture(scope="module")
def spoken(http):
    """The same request without the page."""
    body = {"model": "dia", "input": SCRIPT, "voice": "default", "seed": 7, "response_format": "wav"}
    return http.post("/v1/audio/speech", json=body).content


def test_the_page_gets_the_bytes_of_the_server_and_saves_every_format(visit, spoken):
    speak(visit)
    visit.until_take("take.state === 'done'")
    name, wav = saved(visit, "wav")
    assert name == "dia-7.wav"
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="int16")
    expected, _ = soundfile.read(io.BytesIO(spoken), dtype="int16")
    assert np.array_equal(samples, expected)
    assert b"seed=7" in wav[:300]
    for kind in ("mp3", "opus", "aac", "flac"):
        assert len(decode(saved(visit, kind)[1]).samples) > 0.9 * len(samples)
    assert abs(len(saved(visit, "pcm")[1]) / 2 / 24_000 - len(samples) / rate) < 0.01
    assert "It costs $5." in saved(visit, "srt")[1].decode()
    assert saved(visit, "vtt")[1].startswith(b"WEBVTT")


def test_it_sounds_before_everything_has_arrived_and_stop_frees_the_slot(visit, service):
    speak(visit, LONG)
    visit.until_take("player.position > 0.5")
    visit.until_take("player.level() > 0.01")
    assert visit.take("take.state") == "speaking"
    visit.keyboard.press("Escape")
    visit.until_take("take.state === 'stopped'")
    wait_until(lambda: not service.admission.running)
    assert not visit.take("player.wanted")
    assert visit.is_disabled("#stop")


TURNS = """
    window.seen = [];
    document.addEventListener("turn", () => {
      const current = document.querySelector("dia-take [aria-current=true] button");
      const spoken = [...document.querySelectorAll(".colors .spoken")].map((one) => one.textContent).join("");
      window.seen.push([current?.textContent ?? "", spoken.trim()]);
    });
"""


def test_the_turn_that_sounds_is_highlighted_in_the_take_and_in_the_script(visit):
    visit.evaluate(TURNS)
    speak(visit)
    visit.until_take("player.wanted === false")
    seen = [turn for turn, _ in groupby(visit.evaluate("window.seen"))]
    assert seen[:1] + seen[-2:] == [
        ["S1It costs $5.", "It costs $5."],
        ["S2Good. Yes.", "Good. [pause:200ms] Yes."],
        ["", ""],
    ]


def test_times_are_those_of_the_speech(visit, http):
    speak(visit)
    visit.until_take("take.state === 'done'")
    body = {"model": "dia", "input": SCRIPT, "voice": "default", "seed": 7, "word_timestamps": True}
    segments = http.post("/v1/audio/speech", json=body).json()["segments"]
    shown = visit.take("take.turns.map((turn) => [turn.start, turn.end])")
    assert shown == [[one["start_seconds"], one["end_seconds"]] for one in segments]


def test_the_picture_shows_the_take_and_moves_by_keys(visit):
    speak(visit)
    visit.until_take("take.state === 'done'")
    visit.until_take("player.wanted === false")
    painted = visit.evaluate(
        """[...document.querySelectorAll("dia-wave canvas")].map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        })"""
    )
    assert painted[0] >= 3  # nothing, and a color for each speaker
    assert painted[1] > 50
    visit.focus("dia-wave")
    visit.keyboard.press("Home")
    visit.keyboard.press("ArrowRight")
    assert visit.take("player.position") == pytest.approx(1, abs=0.01)
    visit.until("document.querySelector('dia-wave').ariaValueNow === '1.0'")


def test_takes_stand_side_by_side_and_one_sounds_at_a_time(visit):
    speak(visit)
    visit.until_take("take.state === 'done'")
    visit.click(".again")
    visit.until("document.querySelectorAll('dia-take').length === 2")
    visit.until_take("take.state === 'done'")
    places = visit.evaluate("[...document.querySelectorAll('dia-take')].map((one) => one.getBoundingClientRect().top)")
    assert places[0] == places[1]
    visit.evaluate("document.querySelectorAll('dia-take .play')[1].click()")
    playing = visit.evaluate("[...document.querySelectorAll('dia-take')].map((one) => one.player.wanted)")
    assert playing == [False, True]
    seeds = visit.evaluate("[...document.querySelectorAll('dia-take')].map((one) => one.take.seed)")
    assert len(set(seeds)) == 2
    visit.evaluate("document.querySelectorAll('dia-take .reuse')[0].click()")
    assert visit.input_value("[name=seed]") == str(seeds[0])
    visit.evaluate("document.querySelectorAll('dia-take .remove')[0].click()")
    assert visit.locator("dia-take").count() == 1


def test_options_are_sent_and_checked(visit):
    visit.click("dia-options summary")
    visit.fill("[name=speed]", "9")
    visit.click("#speak")
    assert visit.locator("dia-take").count() == 0
    visit.fill("[name=speed]", "2")
    visit.fill("[name=temperature]", "0.5")
    visit.uncheck("[name=normalize]")
    speak(visit)
    assert visit.take("take.body") == {
        "input": SCRIPT,
        "voice": "default",
        "seed": 7,
        "speed": 2,
        "temperature": 0.5,
        "normalize": False,
    }


# Voices


def test_a_voice_is_recorded_used_and_deleted(visit, service):
    visit.click("#new-voice")
    visit.click(".record")
    visit.until("parseFloat(document.querySelector('.seconds').textContent) > 2.5")
    visit.click(".record")
    visit.until("document.querySelector('dialog audio').src.startsWith('blob:')")
    visit.fill("dialog [name=name]", "Ann")
    visit.check("dialog [value=other]")
    visit.fill("dialog [name=speaker]", "Ann Lee")
    visit.click("dialog .submit")
    visit.until("document.querySelector('#voice-1').value === 'ann'")
    try:
        assert "Ann Lee" in service.voices.find("ann").consent
        speak(visit)
        assert visit.take("take.body.voices") == {"S1": "ann"}
        visit.until_take("take.state === 'done'")
        visit.once("dialog", lambda dialog: dialog.accept())
        visit.click(".delete[data-speaker=S1]")
        visit.until("document.querySelector('#voice-1').value === ''")
    finally:
        left = list(service.voices.folder.glob("ann*"))
        for path in left:
            path.unlink()
    assert left == []


def test_a_voice_needs_consent_and_a_usable_recording(visit, tmp_path):
    visit.click("#new-voice")
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16_000), 16_000)
    visit.set_input_files("dialog .file", silent)
    visit.fill("dialog [name=name]", "Nobody")
    visit.click("dialog .submit")
    assert visit.evaluate("document.querySelector('dialog form').elements.consent[0].validity.valueMissing")
    visit.check("dialog [value=own]")
    visit.click("dialog .submit")
    visit.until("document.querySelector('dialog .error').textContent.includes('audio')")


# Errors


def test_an_error_in_the_script_is_shown_while_typing_and_in_the_take(visit):
    visit.fill("#script", "[S3] Hello.")
    visit.until("document.querySelector('dia-reading .error').textContent.includes('[S3]')")
    visit.click("#speak")
    visit.until_take("take.state === 'failed'")
    assert "[S3]" in visit.inner_text("dia-take .error")
    assert visit.is_disabled("#stop")
    visit.fill("#script", "  ")
    visit.click("#speak")
    assert "empty" in visit.inner_text("#alert")


def test_a_lost_connection_is_an_error_and_what_has_arrived_is_kept(chromium, proxy):
    visit = Visit(chromium, proxy.address)
    speak(visit, LONG)
    visit.until_take("player.position > 0.3")
    proxy.drop()
    visit.until_take("take.state === 'failed'")
    assert "connection was lost" in visit.inner_text("dia-take .error")
    assert visit.take("take.clip.seconds") > 0.3
    visit.click(".retry")
    visit.until_take("take.state === 'failed'")
    assert "cannot be reached" in visit.inner_text("dia-take .error")
    visit.close()
