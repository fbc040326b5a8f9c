# `make report` runs the study, `make test` passes the tests; both set up what they need.

PYTHON  ?= python3.11
PROFILE ?= quick
COHORT  ?=
CUTOFF  ?= 2
SEED    ?= 0
OUT     ?=
OVERWRITE ?=
PSEUDONYMOUS ?=
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready

.PHONY: help env report example test lab lint simulate clean

help:                  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

env: $(READY)          ## create .venv with the pinned packages (nothing to do the second time)

$(READY): constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "fibrolib needs Python 3.11: install it, or name it with make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "fibrolib needs Python 3.11, and $(PYTHON) is" $$($(PYTHON) --version); exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

report: env            ## run the study: PROFILE=smoke|quick|paper COHORT= CUTOFF= SEED= OUT= OVERWRITE=1 PSEUDONYMOUS=1
	$(BIN)/fibrolib run --profile '$(PROFILE)' --cohort '$(COHORT)' --cutoff '$(CUTOFF)' --seed '$(SEED)' --out '$(OUT)' $(if $(OVERWRITE),--overwrite) $(if $(PSEUDONYMOUS),--pseudonymous)

example: env           ## run the study (quick, seed 0) and copy it, with small pictures, into reports/example
	$(BIN)/fibrolib run --profile quick --seed 0
	$(BIN)/python reports/make_example.py reports/virtual-quick-cutoff2-seed0

test: env              ## lint and run all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lab: env               ## open JupyterLab on the notebooks; reports open in it too
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks

lint: env              ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: env          ## make a virtual cohort: OUT=folder SEED=
	$(BIN)/fibrolib simulate --out '$(or $(OUT),reports/cohorts/virtual-110-seed$(SEED))' --seed '$(SEED)'

clean:                 ## remove the environment (runs stay)
	rm -rf $(VENV) *.egg-info
