"""One server with the embedded model for all tests of the folder. It ends with the last of them."""

import io

import httpx
import pytest
import soundfile
from serving import WORDS, client_of, running, wait_until

from dia.model import Dia
from dia.serving.http.app import create_app
from dia.serving.wyoming.sockets import listen


@pytest.fixture(scope="package")
def mini():
    return Dia.from_pretrained("mini", device="cpu")


@pytest.fixture(scope="package")
def wyoming():
    """The port of Wyoming, and its socket. Nothing answers before `address` is there."""
    (socket,) = sockets = listen("127.0.0.1", 0)
    return socket.getsockname()[1], sockets


@pytest.fixture(scope="package")
def app(mini, wyoming, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "voices"
    return create_app(mini, slots=4, voices=folder, wyoming=wyoming[1])


@pytest.fixture(scope="package")
def service(app):
    return app.state.service


@pytest.fixture(scope="package")
def address(app, service):
    with running(app) as address:
        wait_until(lambda: service.ready)
        yield address


@pytest.fixture(scope="package")
def client(address):
    """The official client, without retries."""
    with client_of(address) as client:
        yield client


@pytest.fixture(scope="package")
def http(address):
    """A plain client, for what the official one does not send."""
    with httpx.Client(base_url=address, timeout=60) as http:
        yield http


@pytest.fixture(scope="package")
def recording(mini):
    """A wav file of somebody who says WORDS."""
    take = mini.speak(f"[S1] {WORDS}", seed=5)
    file = io.BytesIO()
    soundfile.write(file, take.audio, take.sampling_rate, format="WAV")
    return file.getvalue()


@pytest.fixture
def idle(service):
    """No other test's request generates."""
    wait_until(lambda: not service.admission.running)
    yield
    wait_until(lambda: not service.admission.running)
