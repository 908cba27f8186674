"""The availability of a checkpoint is checked before anything is loaded, with one request to the Hub."""

import json

import pytest

from dia.checkpoints.source import REAL_CODEC, check_checkpoint, check_source
from dia.model import Dia

COMMIT = "0" * 40


@pytest.fixture(autouse=True)
def asked(monkeypatch, tmp_path):
    """The requests to an unreachable Hub, with an empty cache."""
    urls = []

    def unreachable(url, **options):
        urls.append(url)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return urls


def cached(tmp_path, name, kind="dia", files=("model.safetensors",)):
    """Create a repository in the Hub's cache; returns its folder."""
    repository = tmp_path / "cache" / f"models--{name.replace('/', '--')}"
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    for file in files:
        (folder / file).write_bytes(b"")
    return folder


def test_a_folder_and_the_embedded_model_are_local(tmp_path, asked):
    assert check_source(tmp_path)
    assert check_checkpoint("mini")
    assert asked == []


@pytest.mark.parametrize("name", ["/no/where", "./nowhere", "no/where/at/all", "nowhere", ""])
def test_a_name_that_is_not_an_id_is_a_missing_folder(name, asked):
    with pytest.raises(OSError, match=f"there is no folder {name}"):
        check_source(name)
    assert asked == []


def test_a_misspelled_embedded_model_is_recognized():
    with pytest.raises(OSError, match=r"no folder mimi; did you mean 'mini'\? Available locally: 'mini'\."):
        check_source("mimi")


def test_a_file_is_not_a_checkpoint(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(OSError, match=r"a\.pth is a file; pass the folder"):
        check_source(tmp_path / "a.pth")


def test_without_a_network_there_is_one_request_and_local_checkpoints_are_listed(tmp_path, asked):
    cached(tmp_path, "ann/dia-small")
    cached(tmp_path, "ann/half", files=())
    cached(tmp_path, "ann/codec", "dac")
    cached(tmp_path, "ann/llama", "llama")
    with pytest.raises(
        OSError, match=r"nobody/nothing is not a local folder, and the Hub cannot be reached \(Name or"
    ) as error:
        check_source("nobody/nothing")
    assert str(error.value).endswith("Available locally: 'mini', ann/dia-small.")
    assert asked == ["https://huggingface.co/nobody/nothing/resolve/main/config.json"]
    with pytest.raises(OSError, match=r"Available locally: ann/codec\.$"):
        check_source("nobody/nothing", "dac")


def test_loading_reports_the_same_error_after_one_request(asked):
    with pytest.raises(OSError, match="nobody/nothing is not a local folder, and the Hub cannot be reached"):
        Dia.from_pretrained("nobody/nothing")
    assert len(asked) == 1


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_in_offline_mode_there_is_no_request(how, monkeypatch, asked):
    if how == "environment":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match=r"the Hub is not used, because .* set"):
        check_source("nobody/nothing", **({"local_files_only": True} if how == "argument" else {}))
    assert asked == []


def test_cached_checkpoints_need_no_request(tmp_path, asked):
    cached(tmp_path, "ann/dia-small")
    assert check_source("ann/dia-small")
    assert asked == []
    cached(tmp_path, "ann/half", files=())
    with pytest.raises(OSError, match="ann/half is not a local folder"):
        check_source("ann/half")


def test_a_revision_is_looked_up_in_the_cache_too(tmp_path):
    cached(tmp_path, "ann/dia-small")
    assert check_source("ann/dia-small", revision=COMMIT)
    with pytest.raises(OSError, match="ann/dia-small is not a local folder"):
        check_source("ann/dia-small", revision="v2")


def test_a_subfolder_is_looked_up_in_the_cache_and_on_the_hub(tmp_path, asked):
    folder = cached(tmp_path, "ann/sizes", files=())
    with pytest.raises(OSError, match="ann/sizes is not a local folder"):
        check_source("ann/sizes", subfolder="small")
    assert asked[0].endswith("/small/config.json")
    (folder / "small").mkdir()
    for file in ("config.json", "model.safetensors"):
        (folder / "small" / file).write_text("{}")
    assert check_source("ann/sizes", subfolder="small")


def test_the_cache_is_where_the_hub_puts_it(tmp_path):
    from huggingface_hub import try_to_load_from_cache

    folder = cached(tmp_path, "ann/dia-small")
    assert try_to_load_from_cache("ann/dia-small", "config.json", cache_dir=tmp_path / "cache") == str(
        folder / "config.json"
    )


def answer(monkeypatch, status, code=""):
    """Make the Hub respond with a status code."""
    from types import SimpleNamespace

    from huggingface_hub import errors

    kinds = {401: errors.RepositoryNotFoundError, 403: errors.GatedRepoError, 404: errors.RemoteEntryNotFoundError}
    kind = kinds.get(status, errors.HfHubHTTPError)

    def respond(url, **options):
        request = SimpleNamespace(url=url, method="HEAD", headers={})
        raise kind("no", response=SimpleNamespace(status_code=status, headers={}, request=request))

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", respond)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"the Hub has no repository with that name, or it is private \(hf auth login\)"),
        (403, "access on the Hub is restricted"),
        (404, r"its repository on the Hub has no config\.json"),
    ],
)
def test_errors_of_the_hub_are_reported(monkeypatch, status, message):
    answer(monkeypatch, status)
    with pytest.raises(OSError, match=message):
        check_source("nobody/nothing")


def test_a_busy_hub_is_not_an_error(monkeypatch):
    answer(monkeypatch, 503)
    assert not check_source("nobody/something")


@pytest.mark.parametrize(
    "files",
    [
        {"processor_config.json": {"audio_tokenizer": {"audio_tokenizer_name_or_path": "ann/codec"}}},
        {"audio_tokenizer_config.json": {"audio_tokenizer_name_or_path": "ann/codec"}},
        {},
    ],
    ids=["named", "named as of old", "native"],
)
def test_a_referenced_codec_is_checked_before_the_model_is_loaded(tmp_path, files, asked):
    (tmp_path / "dia").mkdir()
    (tmp_path / "dia" / "config.json").write_text("{}")
    for name, content in files.items():
        (tmp_path / "dia" / name).write_text(json.dumps(content))
    codec = "ann/codec" if files else REAL_CODEC
    with pytest.raises(
        OSError, match=f"dia needs the codec {codec}: {codec} is not a local folder, and the Hub cannot"
    ):
        check_checkpoint(tmp_path / "dia")
    assert check_checkpoint(tmp_path / "dia", with_codec=False)
    cached(tmp_path, codec, "dac")
    assert check_checkpoint(tmp_path / "dia")


def test_a_codec_in_the_folder_needs_no_request(tmp_path, asked):
    (tmp_path / "dia").mkdir()
    (tmp_path / "dia" / "config.json").write_text("{}")
    (tmp_path / "dia" / "processor_config.json").write_text('{"audio_tokenizer_subfolder": "audio_tokenizer"}')
    assert check_checkpoint(tmp_path / "dia")
    assert asked == []


@pytest.mark.parametrize("content", ["", "{oops", "[]", "null", '{"audio_tokenizer": 3}'])
def test_damaged_settings_are_left_to_the_loader(tmp_path, content):
    (tmp_path / "dia").mkdir()
    (tmp_path / "dia" / "config.json").write_text("{}")
    (tmp_path / "dia" / "preprocessor_config.json").write_text("{}")
    (tmp_path / "dia" / "processor_config.json").write_text(content)
    assert check_checkpoint(tmp_path / "dia")
