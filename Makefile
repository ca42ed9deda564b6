# Two commands do everything on a machine with Python 3.11 or newer, git and make: `make train` and `make test`.
# Each makes a virtual environment of its own below .venv/, so the system's Python stays as it is.
# What a tier of tests runs, installs and may take stands in pyproject.toml, `[tool.clearprop.tiers]`.

PYTHON ?= python3
TIER := "$(PYTHON)" tools/tier.py
TIERS := quick test-compiler test-rules test-courses test-commands examples parity test-estimators test-engines test-pages docs

.PHONY: train test $(TIERS) test-all lint pythons benchmark clean

train: .venv/train/ready  ## train the two-layer network on real handwriting, at least 96 % right on new digits
	.venv/train/bin/clearprop train digits --plain --output out/digits

test: lint  ## everything that needs the extras train and fast; the compiler and the rules at length, peers and browsers are in other tiers
	$(TIER) test

$(TIERS):  ## one tier of tests
	$(TIER) $@

test-all: lint  ## all tiers (about a gigabyte of peers), with more random programs, other ones each day
	CLEARPROP_PROGRAMS=600 CLEARPROP_SEED=$$(date +%j) CLEARPROP_PATIENCE=6 $(TIER) all

lint:
	$(TIER) test --make
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	MYPY_NUM_WORKERS=2 .venv/test/bin/mypy
	.venv/test/bin/python tools/size.py

pythons:  ## the quick tier and the compiler's tests under every supported Python that is installed
	sh tools/pythons.sh

benchmark:  ## eager mode and the compiled training step beside the peers
	$(TIER) parity --make
	.venv/parity/bin/python benchmarks/eager.py
	.venv/parity/bin/python benchmarks/training_step.py

.venv/train/ready: pyproject.toml tools/environment.sh
	sh tools/environment.sh "$(PYTHON)" .venv/train -e ".[train,fast]"

clean:
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis
