# Needs make and Python 3.11 or newer; the rest goes into .venv, once.
# Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
# Relative, so that the checkout may lie in a folder with spaces in its name. Programs are run as
# modules, because the first line of a script cannot name a path with spaces.
RUN := .venv/bin/python
READY := .venv/ready

.PHONY: demo test browser-test cluster-test lint bench lock clean env

demo: $(READY)
	@$(RUN) demo/run.py

test: $(READY)
	$(RUN) -m pytest -n 2 --dist worksteal

# The pages in a real Chromium, which has to be there (Debian, Ubuntu: apt install chromium).
browser-test: .browser/ready
	PYTHONPATH="$(CURDIR)/.browser" $(RUN) -m pytest -n 2 -m browser

.browser/ready: $(READY)
	@rm -rf .browser
	@echo "Installing Playwright into .browser: once, 50 MB to download."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --target .browser 'playwright>=1.49'
	@touch $@

# A Ray cluster of three nodes, and a server of buckets, on this machine's loopback, started and
# stopped by the tests.
cluster-test: .cluster/ready
	PYTHONPATH="$(CURDIR)/.cluster" $(RUN) -m pytest tests/test_cluster.py tests/test_scale.py \
	tests/test_remote.py tests/test_remote_s3.py tests/test_mirror_s3.py tests/test_shelf.py \
	tests/real/test_cluster_of_three.py tests/real/test_cluster_bucket.py

# Beside .venv, so that all other tests show that nothing needs it.
.cluster/ready: $(READY) Makefile
	@rm -rf .cluster
	@echo "Installing Ray, s3fs and moto into .cluster: once, 150 MB to download."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --target .cluster \
	'ray>=2.40' 's3fs>=2024.6' 'moto[server]>=5'
	@touch $@

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(READY)
	$(RUN) -m bench

env: $(READY)

# Made again when what is to be installed changes; not there after an installation that failed.
$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "'$(PYTHON)' is no Python 3.11 or newer: name one, as in make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "'$(PYTHON)' lacks its module venv: install it (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@rm -f $(READY)
	@echo "Installing into .venv: once, 520 MB to download, some minutes."
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(RUN) -m facegrab models get yunet --timeout 10 \
	|| echo "That is no harm: FaceGrab works with the detector that comes with it, mtcnn."
	@touch $(READY)

# The newest versions that pyproject.toml admits, for every platform and Python.
lock: $(READY)
	$(RUN) -m pip install --quiet --disable-pip-version-check uv
	$(RUN) -m uv --no-config pip compile --upgrade --universal --python-version 3.11 --extra dev \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	--quiet --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .browser .cluster demo/faces demo/work build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
