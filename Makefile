# `make report` runs the study, `make test` passes the tests; both set up what they need.

VERSIONS := 3.11 3.12 3.13
PYTHON  ?= $(shell for v in $(VERSIONS); do python$$v -c pass 2>/dev/null && echo python$$v && break; done)
PROFILE ?= quick
RUN     ?= reports/example
COHORT  ?=
CUTOFF  ?= 2
SEED    ?= 0
OUT     ?=
OVERWRITE ?=
PSEUDONYMOUS ?=
VENV    := .venv
BIN     := $(VENV)/bin
BOOK    := build/book
READY   := $(VENV)/.ready

.PHONY: help env report example book test lab lint simulate clean

help:                  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

env: $(READY)          ## create .venv with the pinned packages (nothing to do the second time)

$(READY): constraints.txt pyproject.toml
	@case " $(VERSIONS) " in *" $$('$(PYTHON)' -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none) "*) ;; \
	*) echo "The pinned packages need one of Python $(VERSIONS)$(if $(PYTHON),; $(PYTHON) is none of them). Install one, or name it: make PYTHON=/path/to/python"; exit 1;; esac
	'$(PYTHON)' -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

report: env            ## run the study: PROFILE=smoke|quick|paper COHORT= CUTOFF= SEED= OUT= OVERWRITE=1 PSEUDONYMOUS=1
	$(BIN)/fibrolib run --profile '$(PROFILE)' --cohort '$(COHORT)' --cutoff '$(CUTOFF)' --seed '$(SEED)' --out '$(OUT)' $(if $(OVERWRITE),--overwrite) $(if $(PSEUDONYMOUS),--pseudonymous)

example: env           ## run the study (quick, seed 0) and copy it, with small pictures, into reports/example
	$(BIN)/fibrolib run --profile quick --seed 0
	$(BIN)/python reports/make_example.py reports/virtual-quick-cutoff2-seed0

book: env              ## make one static site of a finished run, the exercises, docs and API: RUN=folder of the run
	@test -f '$(RUN)/report.html' || { echo "$(RUN) holds no finished run (no report.html): run make report, and name its folder with make book RUN="; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[book]'
	rm -rf $(BOOK)
	mkdir -p $(BOOK)/source/notebooks $(BOOK)/source/reports
	cp -R *.md CITATION.cff LICENSE benchmarks docs '$(RUN)/report.html' $(BOOK)/source
	mv $(BOOK)/source/docs/index.md $(BOOK)/source
	cp '$(RUN)'/notebooks/[0-9]*.ipynb $(BOOK)/source/notebooks
	cp -R reports/example/exercises $(BOOK)/source/notebooks
	cp -R reports/showcase $(BOOK)/source/reports
	$(BIN)/python -m sphinx --quiet --fail-on-warning -c docs $(BOOK)/source $(BOOK)/html
	@echo $(CURDIR)/$(BOOK)/html/index.html

test: env              ## lint and run all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lab: env               ## open JupyterLab on the notebooks; reports open in it too
	$(BIN)/fibrolib lab

lint: env              ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: env          ## make a virtual cohort: OUT=folder SEED=
	$(BIN)/fibrolib simulate --out '$(or $(OUT),reports/cohorts/virtual-110-seed$(SEED))' --seed '$(SEED)'

clean:                 ## remove the environment (runs stay)
	rm -rf $(VENV) *.egg-info
