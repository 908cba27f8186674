"""The files of the page: what is served, with which headers, and nothing from elsewhere. Needs no browser."""

import re

import httpx
import pytest
from serving import assert_error

from dia.serving.http.page import FOLDER, TYPES, files
from dia.text.tags import NON_VERBAL_TAGS

NAMES = sorted(files())
SCRIPTS = [name for name in NAMES if name.endswith(".js")]
HTML = files()["index.html"].content.decode()


def text(name: str) -> str:
    return files()[name].content.decode()


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_served_with_its_type(http, name):
    answer = http.get(f"/page/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[f".{name.rpartition('.')[2]}"]
    assert answer.content == (FOLDER / name).read_bytes()


def test_the_folder_holds_nothing_that_is_not_served():
    assert {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()} == set(NAMES)


def test_the_page_is_at_the_root(http):
    answer = http.get("/")
    assert answer.text == HTML
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/page/app.js"])
def test_the_policy_allows_this_server_only(http, path):
    headers = http.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["permissions-policy"].startswith("microphone=(self)")


def test_a_file_that_has_not_changed_is_not_sent_again(http):
    tag = http.get("/").headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        again = http.get("/", headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert http.get("/", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["", "none.js", "../http/page.py", "%2e%2e/http/page.py", "/etc/passwd", "app.js/"])
def test_other_names_are_not_served(address, name):
    with httpx.Client() as client:  # httpx resolves "..", so the path is sent as it is
        request = client.build_request("GET", f"{address}/")
        request.url = request.url.copy_with(raw_path=f"/page/{name}".encode())
        assert_error(client.send(request), 404, "not_found")


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_another_server(name):
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text(name))
    assert set(addresses) <= ({"http://www.w3.org"} if name.endswith(".svg") else set())


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_short_and_says_what_it_does(name):
    assert text(name).startswith("// ")
    lines = text(name).splitlines()
    assert len(lines) <= 200
    assert max(map(len, lines)) < 120


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_imports_is_there(name):
    folder = (FOLDER / name).parent
    for other in re.findall(r'^import .*?"(.*?)";$|^} from "(.*?)";$', text(name), re.MULTILINE):
        assert (folder / "".join(other)).is_file()


def test_the_page_has_no_script_or_style_inline():
    assert re.findall(r"<script(?![^>]* src=)|<style|\bstyle=|\bon\w+=", HTML) == []
    for path in re.findall(r'(?:src|href)="(page/[^"]*)"', HTML):
        assert path.removeprefix("page/") in NAMES


def test_the_notice_stands_beside_the_button():
    (act,) = re.findall(r'<div class="act">\s*<button id="speak".*?</div>', HTML, re.DOTALL)
    assert "Do not imitate a real person without consent" in act


def test_settings_are_those_of_the_server(http, mini):
    settings = http.get("/v1/audio/settings").json()
    assert settings["model"] == "mini"
    assert settings["sounds"] == list(NON_VERBAL_TAGS)
    assert settings["formats"] == ["mp3", "opus", "aac", "flac", "wav", "pcm"]
    assert settings["voices"]["examples"] == ["bruno", "clara"]
    assert settings["ranges"]["temperature"]["default"] == mini.model.generation_config.temperature
    assert settings["ranges"]["speed"] == {
        "minimum": 0.25,
        "maximum": 4,
        "above": False,
        "whole": False,
        "default": 1,
    }


def test_the_defaults_in_the_settings_are_what_the_model_uses(http):
    settings = http.get("/v1/audio/settings").json()
    given = {name: one["default"] for name, one in settings["ranges"].items()}
    body = {"model": "dia", "voice": "default", "input": "Yes.", "seed": 1, "response_format": "pcm"}
    plain, stated = (http.post("/v1/audio/speech", json=body | extra).content for extra in ({}, given))
    assert plain == stated


def test_the_example_is_read_without_warnings(http):
    example = http.get("/v1/audio/settings").json()["example"]
    read = http.post("/v1/audio/speech/preview", json={"input": example, "voice": "default"}).json()
    assert read["warnings"] == []
    assert {turn["speaker"] for turn in read["turns"]} == {"S1", "S2"}
