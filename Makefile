# Everything a user, a developer or CI runs. Needs Python 3.11 or newer, make and a package index;
# once .venv is complete, nothing here opens the network. The browser targets also need Chromium,
# Node.js 20 or newer and npm.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
WORKERS ?= 2

# .venv is reused until the text of these two files changes
DEPENDENCIES := $(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
CORE := $(VENV)/core-$(DEPENDENCIES)
DEV := $(VENV)/dev-$(DEPENDENCIES)

ORACLE_ENV := $(VENV)/oracle
ORACLE := $(ORACLE_ENV)/done-$(DEPENDENCIES)
RAY_ENV := $(VENV)/ray
RAY := $(RAY_ENV)/done-$(DEPENDENCIES)

# the packages that drive Chromium, reused until the lock file changes
BROWSER := tests/browser/node_modules/.package-lock.json

# asked for once per environment; without a network reports show volumes as plain slices
VIEWER := $(VENV)/viewer-$(DEPENDENCIES)

.PHONY: demo setup test lint types imports docs bench notebook notebook-check minis clean realdata browser oracle ray format

demo: $(CORE) $(VIEWER)  ## the embedded default: miniature checkpoints × synthetic cohort, offline
	$(PY) -m vesalius demo --out demo-run

setup: $(CORE) $(VIEWER)  ## only the environment

test: $(DEV)           ## the whole test suite with coverage
	$(PY) -m pytest -n $(WORKERS) --cov --cov-report=term

realdata: $(DEV)       ## tests on real images, which must lie in ../shared/data
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup -m realdata

browser: $(DEV) $(BROWSER)  ## tests of the report in headless Chromium
	$(PY) -m pytest -m browser

.PHONY: screenshots
screenshots: demo $(BROWSER)  ## docs/img/report_*.png and the matrix of README.md from the demo
	$(PY) scripts/screenshots.py demo-run
	$(PY) scripts/readme_matrix.py demo-run

oracle: $(ORACLE)      ## tests against open_clip and hi-ml, which live in an environment of their own
	$(ORACLE_ENV)/bin/python -m pytest -m oracle tests/oracle

ray: $(RAY)            ## tests of the engine ray, with real actors
	$(RAY_ENV)/bin/python -m pytest -m ray tests/engine/test_ray.py

lint: $(DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(DEV)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

types: $(DEV)
	$(PY) -m mypy

imports: $(DEV)        ## one direction of imports, no cycle
	$(PY) -c "from importlinter.cli import lint_imports_command as run; run()"

docs: $(DEV)           ## the site in build/site, and every doctest; tests/docs execute its code blocks
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict
	$(PY) -m pytest -q --doctest-modules --ignore=src/vesalius/engine/ray.py src/vesalius  # no ray here

bench: $(DEV)          ## speed side by side with what one would pick instead
	for script in benchmarks/bench_*.py; do $(PY) $$script || exit 1; done

notebook: $(DEV)       ## execute models.ipynb from a clean kernel, in place
	$(PY) scripts/execute_notebook.py models.ipynb

notebook-check: $(DEV) ## execute it, and compare with the numbers it holds
	$(PY) scripts/execute_notebook.py --check models.ipynb

minis: $(DEV)          ## train the miniature checkpoints anew
	$(PY) scripts/train_minis.py

clean:
	rm -rf $(VENV) tests/browser/node_modules demo-run build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

$(CORE): | $(VENV)/bin/python
	$(PY) -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VIEWER): $(CORE)
	@$(PY) -m vesalius fetch viewer || \
	  echo "Going on without NiiVue; to try again: $(PY) -m vesalius fetch viewer"
	@touch $@

$(DEV): $(CORE)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What the oracle extra names, without its dependencies: some ask for a torch of another build, or
# for packages that no test needs. Apart, because an installed torchvision changes transformers.
$(ORACLE):
	$(PYTHON) -m venv $(ORACLE_ENV)
	$(ORACLE_ENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(ORACLE_ENV)/bin/python -m pip install --quiet --no-deps open_clip_torch==3.3.0 timm==1.0.31 \
	  torchvision==0.28.0 hi-ml-multimodal==0.2.2 ftfy wcwidth
	@touch $@

# Ray beside the packages of .venv, which it does not change: 270 MB instead of a second torch.
$(RAY): $(DEV)
	$(PYTHON) -m venv $(RAY_ENV)
	$(PY) -c 'import site; print("import site; site.addsitedir(%r)" % site.getsitepackages()[0])' \
	  > "$$($(RAY_ENV)/bin/python -c 'import site; print(site.getsitepackages()[0])')/beside.pth"
	$(RAY_ENV)/bin/python -m pip install --quiet --constraint constraints.txt 'ray>=2.60'
	@touch $@

$(BROWSER): tests/browser/package-lock.json
	npm ci --prefix tests/browser --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Vesalius needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
