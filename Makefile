# The face for newcomers. `make run` serves, `make test` tests; both set up what they need.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check format bench fuzz browser lock clean

run: .venv/run.stamp
	@exec $(BIN)/flask serve

test: .venv/dev.stamp
	$(BIN)/pytest -n 3

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What it is measured against is not locked: it runs nowhere else.
bench: .venv/dev.stamp
	$(BIN)/pip install -q --disable-pip-version-check 'advanced-alchemy>=1.12,<2' \
		'procrastinate>=3.10,<4'
	$(BIN)/python -m benchmarks.data_layer
	$(BIN)/python -m benchmarks.task_queue
	$(BIN)/python -m benchmarks.claim_plan
	$(BIN)/python -m benchmarks.ledger
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.schemas

# schemathesis against a served, throw-away Caseload.
fuzz: .venv/dev.stamp .venv/fuzz.stamp
	$(BIN)/python -m fuzz .venv/fuzz/bin

# Needs Chromium. What it saw stays in build/browser.
browser: .venv/dev.stamp
	@mkdir -p build
	$(BIN)/pytest tests/browser --basetemp=build/browser

# Needs uv. The lock files hold versions and hashes, and name no registry.
lock:
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --extra dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv build *.egg-info

# What runs needs less than what tests: each has its own lock, and its own stamp.
.venv/run.stamp: requirements.lock pyproject.toml | $(BIN)/pip
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# Of its own: its plugins would cost every run of pytest seconds.
.venv/fuzz.stamp: fuzz/requirements.txt | $(BIN)/pip
	$(PYTHON) -m venv .venv/fuzz
	.venv/fuzz/bin/pip install -q --disable-pip-version-check -r fuzz/requirements.txt
	@touch $@

# Comes last in a virtual environment: where it is missing, making one was interrupted.
$(BIN)/pip:
	$(PYTHON) -m venv .venv
