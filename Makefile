# Two commands do everything on a machine with Python 3.11 or newer, git and make: `make train` and `make test`.
# Each makes a virtual environment of its own below .venv/, so the system's Python stays as it is.

PYTHON ?= python3
FILES := pyproject.toml tools/environment.sh

.PHONY: train test test-all lint benchmark clean

train: .venv/train/ready  ## train the two-layer network on real handwriting, at least 96 % right on new digits
	.venv/train/bin/clearprop train digits --output out/digits

test: .venv/test/ready lint  ## all tests, doctests included; what needs a peer or a browser that is missing is skipped
	.venv/test/bin/pytest -n 2

lint: .venv/test/ready
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	.venv/test/bin/mypy
	.venv/test/bin/python tools/size.py

test-all: .venv/test/peers test  ## the same beside PyTorch, JAX and the other peers (about a gigabyte)

benchmark: .venv/test/peers  ## eager mode and the compiled training step beside the peers
	.venv/test/bin/python benchmarks/eager.py
	.venv/test/bin/python benchmarks/training_step.py

.venv/train/ready: $(FILES)
	sh tools/environment.sh "$(PYTHON)" .venv/train -e ".[train,fast]"

.venv/test/ready: $(FILES)
	sh tools/environment.sh "$(PYTHON)" .venv/test -e ".[train,fast]" --group test

.venv/test/peers: .venv/test/ready
	.venv/test/bin/pip install --quiet --group peers --group browser
	touch $@

clean:
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis
