# The face for newcomers. `make run` serves, `make test` tests; both set up what they need.

PYTHON ?= python3
BIN := .venv/bin

# pip resolves and builds nothing: it installs the versions that a lock names, from wheels whose hashes it knows. What is
# released later changes nothing.
LOCKED := install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r

.PHONY: run about-test test check format docs bench bench-peers fuzz browser lock clean

run: .venv/run.stamp
	@exec $(BIN)/flask serve

# Before anything is installed: so that nobody takes waiting for hanging.
about-test:
	@echo "make test: $(or $(TESTS),the whole suite; about six minutes on two idle cores), on a throw-away PostgreSQL."
	@test -e .venv/dev.stamp || echo "First it installs the test packages, which takes about a minute."

# All of the suite, or what TESTS names. Of sweeps, one case in five; WHOLE=1 runs them all.
test: about-test .venv/dev.stamp
	$(BIN)/pytest -n 3 $(if $(WHOLE),--whole) $(TESTS)

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages and diagrams that the code decides. A test fails while they are old.
docs: .venv/dev.stamp
	$(BIN)/python -m docs.generate

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

# Against other frameworks, over HTTP. Needs wrk. OPTIONS="--rounds 1 --jobs get" is a quick look.
bench-peers: .venv/dev.stamp .venv/peers.stamp
	$(BIN)/python -m benchmarks.peers $(OPTIONS)

# schemathesis against a served, throw-away Caseload.
fuzz: .venv/dev.stamp .venv/fuzz.stamp
	$(BIN)/python -m fuzz .venv/fuzz/bin

# Needs Chromium. What it saw stays in build/browser.
browser: .venv/dev.stamp .venv/axe.stamp
	@mkdir -p build
	$(BIN)/pytest tests/browser --basetemp=build/browser

# The lock files hold versions and hashes, and name no registry. Those of what runs and tests include the build backend, which
# installs the project itself.
COMPILE := .venv/uv/bin/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url $(UPGRADE)
BACKEND := $(PYTHON) -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

# `make lock` keeps what is pinned and still fits; `make lock UPGRADE=--upgrade` takes the newest.
lock: .venv/uv/bin/uv
	$(BACKEND) | $(COMPILE) pyproject.toml - -o requirements.lock
	$(BACKEND) | $(COMPILE) pyproject.toml - --extra dev -o requirements-dev.lock
	$(COMPILE) fuzz/requirements.txt -o fuzz/requirements.lock
	$(COMPILE) benchmarks/peers/requirements.txt -o benchmarks/peers/requirements.lock

.venv/uv/bin/uv:
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/pip install -q --disable-pip-version-check 'uv>=0.13,<1'

clean:
	rm -rf .venv build *.egg-info

# What runs needs less than what tests: each has its own lock, and its own stamp.
.venv/run.stamp: requirements.lock pyproject.toml | $(BIN)/pip
	$(BIN)/pip $(LOCKED) requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/pip check
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	$(BIN)/pip $(LOCKED) requirements-dev.lock
	$(BIN)/pip check
	@touch $@

# Of its own: its plugins would cost every run of pytest seconds.
.venv/fuzz.stamp: fuzz/requirements.lock | $(BIN)/pip
	$(PYTHON) -m venv .venv/fuzz
	.venv/fuzz/bin/pip $(LOCKED) fuzz/requirements.lock
	.venv/fuzz/bin/pip check
	@touch $@

# Of its own: Caseload needs none of these frameworks.
.venv/peers.stamp: benchmarks/peers/requirements.lock | $(BIN)/pip
	$(PYTHON) -m venv .venv/peers
	.venv/peers/bin/pip $(LOCKED) benchmarks/peers/requirements.lock
	.venv/peers/bin/pip check
	@touch $@

# In a folder of its own: nothing imports it, and `pip check` would ask for its dependencies.
.venv/axe.stamp: tests/browser/requirements.lock | $(BIN)/pip
	$(BIN)/pip $(LOCKED) tests/browser/requirements.lock --upgrade --target .venv/axe
	@touch $@

# Comes last in a virtual environment: where it is missing, making one was interrupted.
$(BIN)/pip:
	$(PYTHON) -m venv .venv
