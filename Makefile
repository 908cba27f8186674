# `make hello` speaks, `make serve` serves, `make test` checks, `make docs` builds the documentation. All make and fill .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

SCRIPT := [S1] Dia is an open weights text to dialogue model. \
[S2] You get full control over scripts and voices. \
[S1] Wow. Amazing. (laughs) \
[S2] Try it now on Git hub or Hugging Face.

# The first of these that is installed plays a file.
PLAYERS := afplay pw-play paplay aplay ffplay xdg-open
PLAY = $(shell for player in $(PLAYERS); do command -v $$player >/dev/null && echo $$player && exit; done; echo open)

.PHONY: hello serve test docs clean

hello: $(VENV)/installed
	@$(BIN)/dia say "$(SCRIPT)" --model mini --output hello.wav --seed 12
	@echo "Hear it: $(PLAY) hello.wav"

serve: $(VENV)/installed-serve
	@$(BIN)/dia serve

test: $(VENV)/installed-dev
	scripts/check

# Material for MkDocs prints news about its future where this is not set.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/installed-docs
	@$(BIN)/python -m mkdocs build --strict
	@echo "Read it: site/index.html"

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Dia needs Python 3.11, 3.12 or 3.13; set PYTHON=…")'
	@[ ! -t 2 ] || echo "Installing into $(VENV), which takes some minutes" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-serve: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[serve]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist site .cache .mypy_cache .pytest_cache .ruff_cache hello.wav
