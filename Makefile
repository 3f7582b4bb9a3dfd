# Everything below runs in .venv, which is made from the hash-checked lock file when that is newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test chaos fuzz lint lock clean

run: $(READY)
	$(BIN)/python -m bot run --or-sandbox

test: $(READY)
	$(BIN)/python -m pytest -n auto

# Kills and hangs real processes while people ask: more than a thousand turns and a hundred kills in five seeds, about
# fifteen minutes on two idle cores.
chaos: $(READY)
	$(BIN)/python -m tests.chaos --runs 5 --jobs 2

# Odd texts, requests, frames and answers, seeded and bounded: some minutes.
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@long=$$(git ls-files '*.py' '*.lua' '*.js' | xargs wc -l | awk '$$2 != "total" && $$1 > 400'); \
	if [ -n "$$long" ]; then echo "Longer than 400 lines, which is more than one sitting; split it:"; echo "$$long"; exit 1; fi

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it with make PYTHON=...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

# Pins names, versions and hashes only, for every platform and Python that the project supports.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --group runtime --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .data .mypy_cache .pytest_cache .ruff_cache .hypothesis
